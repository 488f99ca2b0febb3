import assert from 'node:assert/strict';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { familyOf } from '../../src/model/address.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { passes, type Place } from '../support/path.ts';
import type { ApiObject } from '../support/pipeline.ts';

/** From which address to which, and to which port there. */
export interface Question {
  readonly from: string;
  readonly to: string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

/** What the rules of all nodes do to the flow, `allowed` or `denied`; the evaluator and both ctDirections must agree on it. */
export function judge(
  objects: readonly ApiObject[],
  rulesets: Readonly<Record<string, Ruleset>>,
  { from, to, protocol = 'TCP', port }: Question,
): 'allowed' | 'denied' {
  const family = familyOf(from);
  const flow = { family, source: from, destination: to, sourcePort: 40_000, destinationPort: port };
  const places = { source: placeOf(from, objects), destination: placeOf(to, objects) };
  const decision = evaluate(prepareCluster(objects), {
    source: { address: from },
    destination: { address: to },
    protocol,
    destinationPort: port,
    family,
  });
  for (const orientation of ['original', 'reply'] as const) {
    const passed = passes(rulesets, { ...flow, protocol: protocol.toLowerCase() }, places, orientation);
    const { egress, ingress } = decision;
    assert.equal(
      passed ? 'allowed' : 'denied',
      decision.verdict,
      `${from} → ${to} ${protocol}/${port} ${orientation}; egress: ${egress.reason}; ingress: ${ingress.reason}`,
    );
  }
  return decision.verdict;
}

/** The question as it is asked, for each that is answered otherwise. */
export function assertVerdicts(
  objects: readonly ApiObject[],
  rulesets: Readonly<Record<string, Ruleset>>,
  wanted: readonly (Question & { readonly answer: 'allowed' | 'denied' })[],
): void {
  const told = ({ from, to, protocol = 'TCP', port }: Question, answer: string): string =>
    `${from} → ${to} ${protocol}/${port}: ${answer}`;
  assert.deepEqual(
    wanted.map((each) => told(each, judge(objects, rulesets, each))),
    wanted.map((each) => told(each, each.answer)),
  );
}

function placeOf(address: string, objects: readonly ApiObject[]): Place {
  const of = objects.find(({ kind, spec, status }) => {
    const { hostNetwork } = (spec ?? {}) as { hostNetwork?: boolean };
    const { podIPs = [] } = (status ?? {}) as { podIPs?: readonly { ip: string }[] };
    return kind === 'Pod' && hostNetwork !== true && podIPs.some(({ ip }) => ip === address);
  });
  if (of) return { pod: true, node: (of['spec'] as { nodeName: string }).nodeName };
  const home = objects.find(({ kind, status }) => {
    const { addresses = [] } = (status ?? {}) as { addresses?: readonly { address: string }[] };
    return kind === 'Node' && addresses.some((each) => each.address === address);
  });
  return { pod: false, node: home?.metadata.name };
}
