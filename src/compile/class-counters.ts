import { sorted } from '../lib/sort.ts';
import { familyOf, type Family } from '../model/address.ts';
import { findDenying } from '../model/order.ts';
import { directions, type Policy, type PolicyId } from '../model/policy.ts';
import type { LocalPod } from '../model/snapshot.ts';
import { parseCounters } from '../nftables/parse-counters.ts';
import type { AddressClasses } from './links.ts';
import { readings } from './names.ts';

/** A class of pods with packet counters, in one family. */
export interface CountedClass {
  readonly family: Family;
  /** The name of its chain for original packets. */
  readonly name: string;
  /** Its entry chains. Every packet of the class meets the first rule of one of them. */
  readonly entries: readonly string[];
  /** All its chains. The last rule of each counts denied packets. */
  readonly chains: readonly string[];
  readonly pods: number;
  /** The policies that may deny its pods something in its direction. */
  readonly policies: readonly PolicyId[];
}

/** Packets since nft created the chains. */
export interface ClassCounts {
  readonly judged: number;
  readonly denied: number;
}

/** @param pods pods with their classes */
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
        const denying = findDenying(pod.policies, policies, direction);
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
          policies: sorted(new Set([...(known?.policies ?? []), ...denying])),
        });
      }
    }
  }
  return [...classes.values()];
}

/** Reads the counters of one family's classes from nft's JSON listing of its table. Classes whose chains are missing there are left out. */
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
