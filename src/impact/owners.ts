import type { Cluster } from '../evaluator/cluster.ts';
import type { Endpoint } from '../evaluator/decision.ts';
import { resolveEndpoint } from '../evaluator/evaluator.ts';
import type { Pod } from '../evaluator/party.ts';
import type { Family } from '../model/address.ts';

/** Pods that own or claim the address of an endpoint. An endpoint can name a pod that does not own its address (S1.9). */
export function ownersAt(cluster: Cluster, endpoint: Endpoint, family: Family): readonly Pod[] {
  const party = resolveEndpoint(cluster, endpoint, family);
  if (typeof party === 'string') return [];
  return party.pod ? [party.pod] : party.claimants;
}
