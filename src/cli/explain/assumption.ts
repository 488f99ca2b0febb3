import type { Cluster } from '../../evaluator/cluster.ts';
import type { Decision, Direction, Endpoint } from '../../evaluator/decision.ts';
import { resolveEndpoint } from '../../evaluator/evaluator.ts';
import type { Party } from '../../evaluator/party.ts';
import type { Family } from '../../model/address.ts';
import type { ClusterSource } from './cluster-source.ts';

/** Both ends, by address family. */
export interface Ends {
  readonly source: ReadonlyMap<Family, Endpoint>;
  readonly destination: ReadonlyMap<Family, Endpoint>;
}

/** One note for each end whose node or addresses are assumed. */
export function findAssumed({ cluster, assumed }: ClusterSource, ends: Ends): string[] {
  const keys = resolveEnds(cluster, ends).map(({ endpoint, party }) =>
    'pod' in endpoint ? endpoint.pod : party.pod?.key,
  );
  return keys.flatMap((key) => {
    const place = key === undefined ? undefined : assumed.get(key);
    return place === undefined ? [] : [`assumed: ${key} at ${place}`];
  });
}

/** Whether the answer depends on assumed addresses or nodes. */
export function restsOnAddresses(
  cluster: Cluster,
  decisions: Readonly<Partial<Record<Family, Decision>>>,
  ends: Ends,
): boolean {
  // The owner of an address depends on addresses, and the own node (S5.1) on nodes.
  const isPlaced = resolveEnds(cluster, ends).some(
    ({ endpoint, party }) => party.node !== undefined || (party.pod !== undefined && 'address' in endpoint),
  );
  const hasBlock = (decision: Decision): boolean =>
    namesBlock(cluster, decision, 'egress') || namesBlock(cluster, decision, 'ingress');
  return isPlaced || Object.values(decisions).some(hasBlock);
}

/** Whether a rule that allows the flow has an ipBlock; if no rule allows it, whether any rule has one. */
function namesBlock(cluster: Cluster, decision: Decision, direction: Direction): boolean {
  const { allowedBy, isolatedBy } = decision[direction];
  return cluster.policies.all.some(({ ref, rules }) => {
    if (!isolatedBy.includes(ref)) return false;
    const allowing = allowedBy.filter(({ policy }) => policy === ref).map(({ rule }) => rule);
    const deciding =
      allowedBy.length === 0 ? rules[direction] : rules[direction].filter(({ index }) => allowing.includes(index));
    return deciding.some(({ peers }) => peers !== 'any' && peers.some(({ kind }) => kind === 'block'));
  });
}

function resolveEnds(cluster: Cluster, { source, destination }: Ends): { endpoint: Endpoint; party: Party }[] {
  return [...source, ...destination].flatMap(([family, endpoint]) => {
    const party = resolveEndpoint(cluster, endpoint, family);
    return typeof party === 'string' ? [] : [{ endpoint, party }];
  });
}
