import { prepareCluster } from '../evaluator/cluster.ts';
import type { Cluster } from '../evaluator/cluster.ts';
import type { Decision, Endpoint } from '../evaluator/decision.ts';
import { evaluate, familiesOf } from '../evaluator/evaluator.ts';
import type { FlowEnd } from '../flows/kept-flow.ts';
import type { Labels } from '../flows/owner-labels.ts';
import { objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { families, formatAddress, parseCidr } from '../model/address.ts';
import type { Direction, Seen } from './needs.ts';
import { isSame, type Scene, type ScenePod } from './scene.ts';

/** A flow that the policy of a subject must allow. */
export interface Replayed {
  readonly direction: Direction;
  readonly seen: Pick<Seen, 'from' | 'to' | 'protocol' | 'port'>;
}

/** Addresses for pods of the replay: class E, and a range for documentation (RFC 3849). No pod has them. */
const addressAt = (index: number): string[] => [
  `240.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
  `2001:db8:ffff:ffff::${index.toString(16)}`,
];

/**
 * Evaluates flows in a cluster that has this policy and no other. Each end stands for one pod of each set of ports, with the labels that the pods have; pods that
 * have gone stand in with the labels that were kept. Returns the flows that the policy denies.
 */
export function replay(scene: Scene, policy: JsonObject, flows: readonly Replayed[]): Replayed[] {
  return findDenied(scene, [policy], flows, (decision, direction) => {
    const end = decision[direction];
    return end.verdict === 'allowed' && end.isolatedBy.length > 0;
  });
}

/** The same for the policies of one answer together: returns the flows that an end denies. */
export function replayTogether(scene: Scene, policies: readonly JsonObject[], flows: readonly Replayed[]): Replayed[] {
  return findDenied(scene, policies, flows, ({ verdict }) => verdict === 'allowed');
}

type Judge = (decision: Decision, direction: Direction) => boolean;

function findDenied(
  scene: Scene,
  policies: readonly JsonObject[],
  flows: readonly Replayed[],
  judge: Judge,
): Replayed[] {
  const stage = new Stage(scene);
  const ends = flows.map(({ seen, direction }) => {
    const isEgress = direction === 'egress';
    const [own, other] = isEgress ? [seen.from, seen.to] : [seen.to, seen.from];
    return { own: stage.endpoints(own, 'own'), other: stage.endpoints(other, 'other'), isEgress };
  });
  const cluster = stage.build(policies);
  return flows.filter(({ seen, direction }, index) => {
    const { own, other, isEgress } = ends[index]!;
    const pairs = own.flatMap((one) => other.map((two): [Endpoint, Endpoint] => (isEgress ? [one, two] : [two, one])));
    return !pairs.every((pair) => isAllowed(cluster, pair, seen, (decision) => judge(decision, direction)));
  });
}

function isAllowed(
  cluster: Cluster,
  [source, destination]: [Endpoint, Endpoint],
  { protocol, port }: Replayed['seen'],
  judge: (decision: Decision) => boolean,
): boolean {
  const common = families.filter((family) =>
    [source, destination].every((endpoint) => familiesOf(cluster, endpoint).includes(family)),
  );
  return common.every((family) => {
    const destinationPort = typeof port === 'number' ? { destinationPort: port } : {};
    return judge(evaluate(cluster, { source, destination, protocol, ...destinationPort, family }));
  });
}

/** Collects the pods of a replay. */
class Stage {
  readonly #scene: Scene;
  readonly #pods = new Map<string, JsonObject>();
  readonly #namespaces = new Set<string>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** @param side pods of both sides are different ones, so that a workload that talks to itself is judged */
  endpoints(end: FlowEnd, side: 'own' | 'other'): Endpoint[] {
    switch (end.kind) {
      case 'workload': {
        const live = this.#scene.podsOf(end.namespace).filter(({ labels }) => isSame(labels, end.labels));
        const kinds = new Map(live.map((pod) => [portsOf(pod), pod.object]));
        const gone = { metadata: { labels: end.labels } };
        const models = kinds.size > 0 ? [...kinds.values()] : [gone];
        return models.map((model) => this.#cast(end.namespace, side, model));
      }
      case 'block': {
        const { family, first, last } = parseCidr(end.cidr)!;
        return [first, last].map((value) => ({ address: formatAddress(family, value) }));
      }
      case 'node':
        return (this.#scene.cluster.nodes.get(end.name)?.addresses ?? []).map(({ family, value }) => ({
          node: end.name,
          address: formatAddress(family, value),
        }));
      case 'own-node':
      case 'namespace':
      case 'others':
        return [];
    }
  }

  build(policies: readonly JsonObject[]): Cluster {
    const { objects } = this.#scene;
    const known = objects.filter((each) => each['kind'] === 'Namespace');
    const labels = new Map<string, Labels>(
      known.map((each) => [textAt(each, 'metadata', 'name') ?? '', objectAt(each, 'metadata', 'labels') as Labels]),
    );
    // The API server sets this label on each namespace.
    const namespaces = Array.from(this.#namespaces, (name) => ({
      ...{ apiVersion: 'v1', kind: 'Namespace' },
      metadata: { name, labels: { ...labels.get(name), 'kubernetes.io/metadata.name': name } },
    }));
    const nodes = objects.filter((each) => each['kind'] === 'Node');
    return prepareCluster([...namespaces, ...nodes, ...this.#pods.values(), ...policies]);
  }

  #cast(namespace: string, side: string, model: JsonObject): Endpoint {
    this.#namespaces.add(namespace);
    const labels = objectAt(model, 'metadata', 'labels');
    const { containers, initContainers } = objectAt(model, 'spec');
    const key = JSON.stringify([namespace, side, labels, containers, initContainers]);
    let pod = this.#pods.get(key);
    if (!pod) {
      const index = this.#pods.size + 1;
      pod = {
        ...{ apiVersion: 'v1', kind: 'Pod' },
        metadata: { namespace, name: `pod-${index}`, labels },
        spec: { containers, initContainers },
        status: { phase: 'Running', podIPs: addressAt(index).map((ip) => ({ ip })) },
      };
      this.#pods.set(key, pod);
    }
    return { pod: `${namespace}/${textAt(pod, 'metadata', 'name')}` };
  }
}

function portsOf({ read }: ScenePod): string {
  return JSON.stringify(read.namedPorts.map(({ name, protocol, port }) => [name, protocol, port]));
}
