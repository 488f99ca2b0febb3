import { sorted } from '../lib/sort.ts';
import { directions, type Policy, type PolicyId } from '../model/policy.ts';
import type { LocalPod } from '../model/snapshot.ts';
import { parseCounters } from '../nftables/parse-counters.ts';
import type { BuiltClass } from './class-shape.ts';
import { orientations } from './names.ts';

/** A class of pods whose packets are counted. */
export interface CountedClass {
  /** As its chain. */
  readonly name: string;
  /** Chains that every packet of the class comes to. */
  readonly entries: readonly string[];
  /** All its chains: the last rule of each counts what is denied. */
  readonly chains: readonly string[];
  readonly pods: number;
  /** That make it: they isolate its pods in its direction. */
  readonly policies: readonly PolicyId[];
}

/** Packets since the chains were written. */
export interface ClassCounts {
  readonly judged: number;
  readonly denied: number;
}

/** @param pods with what judges each in the directions in which it is isolated */
export function countedClasses(
  pods: Iterable<readonly [LocalPod, Readonly<Record<string, BuiltClass | undefined>>]>,
  policies: ReadonlyMap<PolicyId, Policy>,
): CountedClass[] {
  const classes = new Map<string, CountedClass>();
  for (const [pod, built] of pods) {
    for (const direction of directions) {
      const chains = built[direction]?.chains;
      if (!chains) continue;
      const isolating = pod.policies.filter((id) => policies.get(id)?.isolates.has(direction));
      const { name } = chains.original.chain;
      const known = classes.get(name);
      const each = orientations.map((orientation) => chains[orientation]);
      const entries = each.map(({ chain }) => chain.name);
      classes.set(name, {
        name,
        entries,
        chains: [...entries, ...each.flatMap(({ ports }) => ports.chains.map((chain) => chain.name))],
        pods: (known?.pods ?? 0) + 1,
        policies: sorted(new Set([...(known?.policies ?? []), ...isolating])),
      });
    }
  }
  return [...classes.values()];
}

/** What the classes have counted, by name, from nft's JSON of the table, without elements; those that are not there are left out. */
export function readClassCounts(json: string, classes: readonly CountedClass[]): Map<string, ClassCounts> {
  const counters = parseCounters('inet', json);
  const counts = new Map<string, ClassCounts>();
  for (const { name, entries, chains } of classes) {
    if (!chains.every((chain) => counters.has(chain))) continue;
    const sum = (names: readonly string[], index: 0 | -1): number =>
      names.reduce((total, chain) => total + counters.get(chain)!.at(index)!, 0);
    counts.set(name, { judged: sum(entries, 0), denied: sum(chains, -1) });
  }
  return counts;
}
