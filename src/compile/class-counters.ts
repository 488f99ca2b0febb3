import { sorted } from '../lib/sort.ts';
import { familyOf, type Family } from '../model/address.ts';
import { directions, type Policy, type PolicyId } from '../model/policy.ts';
import type { LocalPod } from '../model/snapshot.ts';
import { parseCounters } from '../nftables/parse-counters.ts';
import type { AddressClasses } from './links.ts';
import { readings } from './names.ts';

/** A class of pods whose packets of one family are counted. */
export interface CountedClass {
  readonly family: Family;
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
  pods: Iterable<readonly [LocalPod, AddressClasses]>,
  policies: ReadonlyMap<PolicyId, Policy>,
): CountedClass[] {
  const classes = new Map<string, CountedClass>();
  for (const [pod, built] of pods) {
    for (const family of new Set(pod.addresses.map(familyOf))) {
      for (const direction of directions) {
        const chains = built[direction]?.families?.[family].chains;
        if (!chains) continue;
        const isolating = pod.policies.filter((id) => policies.get(id)?.isolates.has(direction));
        const { name } = chains.original.chain;
        const key = `${family} ${name}`;
        const known = classes.get(key);
        const each = readings.map((reading) => chains[reading]);
        const entries = each.map(({ chain }) => chain.name);
        classes.set(key, {
          family,
          name,
          entries,
          chains: [...entries, ...each.flatMap(({ ports }) => ports.chains.map((chain) => chain.name))],
          pods: (known?.pods ?? 0) + 1,
          policies: sorted(new Set([...(known?.policies ?? []), ...isolating])),
        });
      }
    }
  }
  return [...classes.values()];
}

/** What classes of one family have counted, from nft's JSON of its table, without elements; those that are not there are left out. */
export function readClassCounts(json: string, classes: readonly CountedClass[]): Map<CountedClass, ClassCounts> {
  const counters = parseCounters(json);
  const counts = new Map<CountedClass, ClassCounts>();
  for (const each of classes) {
    const { entries, chains } = each;
    if (!chains.every((chain) => counters.has(chain))) continue;
    const sum = (names: readonly string[], index: 0 | -1): number =>
      names.reduce((total, chain) => total + counters.get(chain)!.at(index)!, 0);
    counts.set(each, { judged: sum(entries, 0), denied: sum(chains, -1) });
  }
  return counts;
}
