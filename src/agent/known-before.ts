import { chainNames, isolationMapName } from '../compile/names.ts';
import { families } from '../model/address.ts';
import type { ResourceName } from '../model/cluster.ts';
import { directions } from '../model/policy.ts';
import { catchAll, routedTable, type Chain, type Ruleset } from '../nftables/ruleset.ts';
import type { SavedState } from '../state/saved-state.ts';
import { policyObject } from './policy-object.ts';

/** The minimum number of objects of each resource that this node knew before the agent started. */
export type KnownBefore = Readonly<Record<ResourceName, number>>;

/** What an earlier agent left on this node. */
export interface EarlierState {
  /** Our tables in the kernel. `unknown`: this agent cannot read them. */
  readonly tables: Ruleset | undefined | 'unknown';
  readonly saved: Pick<SavedState, 'policies' | 'localPods'> | undefined;
}

/**
 * Counts the objects that an earlier agent knew, to compare them with the first list (S7.18). An empty list after there were objects may come from a
 * lost data store. The tables are newer than the saved state, so the saved state counts only if the tables name no pod. The boot unit loads such
 * tables.
 */
export function countKnown({ tables, saved }: EarlierState): KnownBefore {
  const savedOfCluster = [...(saved?.policies.keys() ?? [])].filter(
    (id) => policyObject(id).resource !== 'networkpolicies',
  ).length;
  if (tables === 'unknown') return knownFrom(1, 1, savedOfCluster);
  const [policies, pods, judging] = tables ? countInTables(tables) : [0, 0, 0];
  if (policies + pods > 0) return knownFrom(policies, pods, Math.max(judging, savedOfCluster));
  if (!saved) return knownFrom(0, 0);
  return knownFrom(saved.policies.size - savedOfCluster, saved.localPods.size, savedOfCluster);
}

/** An isolated address belongs to a pod, and some policy isolates it. Both have a namespace, and this node exists too. */
function knownFrom(policies: number, pods: number, ofCluster = 0): KnownBefore {
  const some = policies + pods + ofCluster > 0 ? 1 : 0;
  return {
    networkpolicies: policies,
    clusternetworkpolicies: ofCluster,
    pods: Math.max(pods, some),
    namespaces: some,
    nodes: some,
  };
}

/**
 * The tables do not show the number of policies, so it is 1 if any address is isolated. The chain for what a class does not
 * allow shows which kinds made the class. `chainNames.deny`: NetworkPolicies alone. `chainNames.denySelf`: ClusterNetworkPolicies alone. Any other: both.
 */
function countInTables(tables: Ruleset): [policies: number, pods: number, ofCluster: number] {
  let [policies, ofCluster] = [0, 0];
  const addresses = new Set<string>();
  for (const family of families) {
    for (const direction of directions) {
      const table = tables[routedTable[family]];
      const elements = table?.maps.get(isolationMapName(direction, family, 'original'))?.elements;
      for (const [address, verdict] of elements ?? []) {
        if (address === catchAll) continue;
        addresses.add(address);
        if (!('chain' in verdict)) continue;
        const denied = endOf(table!.chains.get(verdict.chain));
        if (denied !== undefined && denied !== chainNames.deny[direction]) ofCluster = 1;
        if (denied !== chainNames.denySelf[direction]) policies = 1;
      }
    }
  }
  return [policies, addresses.size, ofCluster];
}

/** Where a class sends what it does not allow. */
function endOf(chain: Chain | undefined): string | undefined {
  const verdict = chain?.rules.at(-1)?.verdict;
  return verdict?.kind === 'goto' ? verdict.chain : undefined;
}
