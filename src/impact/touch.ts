import { textOf } from '../evaluator/cluster.ts';
import type { Cluster } from '../evaluator/cluster.ts';
import { whyUnplaced } from '../evaluator/cluster-policy-tier.ts';
import type { Direction, Endpoint } from '../evaluator/decision.ts';
import { whyHeldBack } from '../evaluator/end.ts';
import { resolveEndpoint } from '../evaluator/evaluator.ts';
import type { Party, Pod } from '../evaluator/party.ts';
import type { Policy } from '../evaluator/policy.ts';
import { selects } from '../evaluator/selector.ts';
import type { Family } from '../model/address.ts';
import { directions } from './isolation.ts';
import { isSameValue } from './same-value.ts';

/** What a change does to one end of flows. */
export interface TouchedEnd {
  /** The end itself differs, or the policies that select it: every flow of this end can change its verdict. */
  readonly isChanged: boolean;
  /** The namespace of the pod at this end. */
  readonly namespace: string | undefined;
  /** Namespaces whose labels have changed, and with them the peers of the policies that select this end. */
  readonly peers: Readonly<Record<Direction, ReadonlySet<string>>>;
}

/**
 * Finds the flows whose verdict a change can affect. The verdict depends on both ends, on the policies that select them, and on the labels of
 * the namespaces that these policies select peers by. If none of them differs, the verdict is the same.
 */
export class Touch {
  readonly #before: Cluster;
  readonly #after: Cluster;
  readonly #changedPods: ReadonlySet<string>;
  readonly #changedPolicies: ReadonlySet<string>;
  readonly #changedNamespaces: readonly string[];
  readonly #changedNodes: ReadonlySet<string>;
  readonly #ends = new Map<string, TouchedEnd>();
  readonly #peers = new Map<Policy, TouchedEnd['peers']>();

  constructor(before: Cluster, after: Cluster) {
    this.#before = before;
    this.#after = after;
    this.#changedPods = new Set(findChanged(before.pods, after.pods));
    const refs = (cluster: Cluster) => new Map(cluster.policies.all.map((policy) => [policy.ref, policy]));
    this.#changedPolicies = new Set(findChanged(refs(before), refs(after)));
    this.#changedNodes = new Set(findChanged(before.nodes, after.nodes));
    this.#changedNamespaces = findChanged(before.namespaceLabels, after.namespaceLabels);
  }

  /** Whether the verdict of a flow can change; `false` only if it certainly cannot. */
  canChange(source: TouchedEnd, destination: TouchedEnd): boolean {
    if (source.isChanged || destination.isChanged) return true;
    const isPeer = (of: TouchedEnd, direction: Direction, other: TouchedEnd): boolean =>
      other.namespace !== undefined && of.peers[direction].has(other.namespace);
    return isPeer(source, 'egress', destination) || isPeer(destination, 'ingress', source);
  }

  /** Whether the object of the pod differs. Another pod or a node can still take its address. */
  isChangedPod(key: string): boolean {
    return this.#changedPods.has(key);
  }

  endAt(endpoint: Endpoint, family: Family): TouchedEnd {
    const key = JSON.stringify([endpoint, family]);
    const known = this.#ends.get(key) ?? this.#judgeEnd(endpoint, family);
    this.#ends.set(key, known);
    return known;
  }

  #judgeEnd(endpoint: Endpoint, family: Family): TouchedEnd {
    const [was, is] = [this.#before, this.#after].map((cluster) => resolveEndpoint(cluster, endpoint, family));
    const party = typeof is === 'string' ? undefined : is;
    const owners: readonly Pod[] = party?.pod ? [party.pod] : (party?.claimants ?? []);
    if (!isSameValue(was, is)) return { isChanged: true, namespace: undefined, peers: none };
    // The end is the same on both sides, so a policy that only one side has is among the changed ones.
    const policies = [this.#before, this.#after].flatMap((cluster) => cluster.policies.selecting(owners));
    const isChanged =
      policies.some(({ ref }) => this.#changedPolicies.has(ref)) ||
      this.#isSelectedOtherwise(owners) ||
      this.#isPlacedOtherwise(party) ||
      this.#isOfChangedNode(party);
    return { isChanged, namespace: party?.pod?.namespace, peers: this.#changedPeers(policies) };
  }

  /** The labels of a namespace decide which ClusterNetworkPolicies select its pods. */
  #isSelectedOtherwise(owners: readonly Pod[]): boolean {
    if (this.#changedNamespaces.length === 0) return false;
    const [was, is] = [this.#before, this.#after].map((cluster) =>
      cluster.policies.selecting(owners).map(({ ref }) => ref),
    );
    return !isSameValue(was, is);
  }

  /** Whether the namespace is known decides too, and for a pod of an unknown one, whether there is a ClusterNetworkPolicy (S10.11, S10.33). */
  #isPlacedOtherwise(party: Party | undefined): boolean {
    if (!party) return false;
    const [was, is] = [this.#before, this.#after].map((cluster) => {
      return [whyUnplaced(party, cluster), whyHeldBack(cluster, party)];
    });
    return !isSameValue(was, is);
  }

  /** Rules may name nodes by label. */
  #isOfChangedNode(party: Party | undefined): boolean {
    if (!party || this.#changedNodes.size === 0) return false;
    const at = [this.#before, this.#after].flatMap((cluster) => cluster.nodesAt.get(textOf(party.address)) ?? []);
    return at.some(({ node }) => this.#changedNodes.has(node.name));
  }

  #changedPeers(policies: readonly Policy[]): TouchedEnd['peers'] {
    if (this.#changedNamespaces.length === 0) return none;
    const found = policies.map((policy) => this.#changedPeersOf(policy));
    const join = (direction: Direction): ReadonlySet<string> => new Set(found.flatMap((each) => [...each[direction]]));
    return { ingress: join('ingress'), egress: join('egress') };
  }

  #changedPeersOf(policy: Policy): TouchedEnd['peers'] {
    let found = this.#peers.get(policy);
    if (!found) {
      const [ingress, egress] = directions.map((direction) => {
        const selectors = policy.rules[direction]
          .flatMap(({ peers }) => (peers === 'any' ? [] : peers))
          .flatMap((peer) => (peer.kind === 'pods' && peer.namespaces ? [peer.namespaces] : []));
        const isSelected = (cluster: Cluster, namespace: string): boolean[] => {
          const labels = cluster.namespaceLabels.get(namespace);
          return selectors.map((selector) => labels !== undefined && selects(selector, labels));
        };
        return this.#changedNamespaces.filter(
          (each) => !isSameValue(isSelected(this.#before, each), isSelected(this.#after, each)),
        );
      });
      found = { ingress: new Set(ingress), egress: new Set(egress) };
      this.#peers.set(policy, found);
    }
    return found;
  }
}

const none: TouchedEnd['peers'] = { ingress: new Set(), egress: new Set() };

function findChanged<Value>(before: ReadonlyMap<string, Value>, after: ReadonlyMap<string, Value>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) => !isSameValue(before.get(key), after.get(key)),
  );
}
