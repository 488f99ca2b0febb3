import { isolationMapName } from '../compile/names.ts';
import { families } from '../model/address.ts';
import type { ResourceName } from '../model/cluster.ts';
import { directions } from '../model/policy.ts';
import { catchAll, routedTable, type Ruleset } from '../nftables/ruleset.ts';
import type { SavedState } from '../state/saved-state.ts';

/** How many objects this node knew of before its agent started; at least so many. */
export type KnownBefore = Readonly<Record<ResourceName, number>>;

export interface Traces {
  /** What the kernel holds of ours. `unknown`: something, or nothing, that this agent cannot read. */
  readonly tables: Ruleset | undefined | 'unknown';
  readonly saved: Pick<SavedState, 'policies' | 'localPods'> | undefined;
}

/**
 * What the first list of a resource is compared with (S7.18). A list that is empty where there were objects may come from a data store that was
 * lost. The tables are newer than the saved state, so the state counts only if they name no pod. The boot unit loads such tables.
 */
export function countKnown({ tables, saved }: Traces): KnownBefore {
  if (tables === 'unknown') return knownFrom(1, 1);
  const [policies, pods] = tables ? countInTables(tables) : [0, 0];
  if (policies + pods > 0) return knownFrom(policies, pods);
  return saved ? knownFrom(saved.policies.size, saved.localPods.size) : knownFrom(0, 0);
}

/** An isolated address is that of a pod, and there is a policy that isolates it. Each of both has a namespace, and the node is one itself. */
function knownFrom(policies: number, pods: number): KnownBefore {
  const some = policies + pods > 0 ? 1 : 0;
  return { networkpolicies: policies, pods: Math.max(pods, some), namespaces: some, nodes: some };
}

/** How many policies there were is not written in the tables: at least one. */
function countInTables(tables: Ruleset): [policies: number, pods: number] {
  let policies = 0;
  const addresses = new Set<string>();
  for (const family of families) {
    for (const direction of directions) {
      const elements = tables[routedTable[family]]?.maps.get(isolationMapName(direction, family, 'original'))?.elements;
      for (const [address, verdict] of elements ?? []) {
        if (address === catchAll) continue;
        addresses.add(address);
        if ('chain' in verdict) policies = 1;
      }
    }
  }
  return [policies, addresses.size];
}
