import { isolationMapName } from '../../../src/compile/names.ts';
import type { Family } from '../../../src/model/address.ts';
import type { Chain, Ruleset } from '../../../src/nftables/ruleset.ts';
import { tableOfPacket } from '../routed.ts';

/** The rules on the longest way of one packet of the family: both checks of a local pair, each with its deny chain. */
export function longestWay(ruleset: Ruleset, family: Family): number {
  const { chains, maps } = tableOfPacket(ruleset, { family });
  const around = [
    'forward',
    'anti-spoof',
    'port-sources',
    'link-control',
    'not-established',
    'replies',
    'egress',
    'ingress',
    'gate',
  ];
  const fixed = [...around, 'deny-ingress', 'deny-egress'].map((name) => chains.get(name)?.rules.length ?? 0);
  // A class, or as far as one of its maps and what a port leads to there.
  const lengthOf = ({ rules }: Chain): number => {
    const ways = rules.entries().flatMap(([index, { verdict }]) => {
      const targets = verdict.kind === 'vmap' ? [...maps.get(verdict.map)!.elements.values()] : [];
      return targets.map((target) => index + 1 + ('chain' in target ? lengthOf(chains.get(target.chain)!) : 0));
    });
    return Math.max(rules.length, ...ways);
  };
  const longest = (direction: string): number => {
    const targets = [...maps.get(isolationMapName(direction, family, 'original'))!.elements.values()];
    return Math.max(0, ...targets.map((target) => ('chain' in target ? lengthOf(chains.get(target.chain)!) : 0)));
  };
  return fixed.reduce((sum, length) => sum + length, 0) + longest('ingress') + longest('egress');
}
