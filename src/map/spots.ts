import type { Endpoint } from '../evaluator/decision.ts';
import { keyOfEnd, type FlowEnd } from '../flows/kept-flow.ts';
import { ownerLabels } from '../flows/owner-labels.ts';
import { describeLabels, labelsOf } from '../flows/workloads.ts';
import { listAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { sorted } from '../lib/sort.ts';
import { containsAddress, formatAddress, parseCidr, type AddressRange } from '../model/address.ts';
import type { Scene, ScenePod } from '../suggest/scene.ts';
import type { MapNode } from './policy-map.ts';

/** A node of the map, with the pods that it stands for. */
export interface Spot extends Omit<MapNode, 'badges' | 'pods'> {
  readonly pods: readonly ScenePod[];
  /** Names of its workloads, as `Workload.name`. */
  readonly workloads: readonly string[];
}

/** Pods of one end that are judged. More differ only in what no usual policy tells apart. */
const mostPods = 3;
const mostNames = 3;

const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16']
  .concat('127.0.0.0/8', 'fc00::/7', 'fe80::/10')
  .map((cidr) => parseCidr(cidr)!);

/** Where the ends of flows are on the map. Workloads whose pods have the same labels are one spot, because kept flows do not tell them apart. */
export class Spots {
  readonly #spots = new Map<string, Spot>();
  /** By `keyOfEnd`. */
  readonly #ofEnd = new Map<string, Spot>();
  readonly #judged = new Map<string, readonly ScenePod[]>();
  readonly #blocks: readonly { readonly cidr: string; readonly range: AddressRange }[];

  constructor(scene: Scene) {
    this.#blocks = policyBlocks(scene.objects);
    for (const spot of groupWorkloads(scene)) {
      this.#spots.set(spot.id, spot);
      for (const { namespace, labels } of spot.pods)
        this.#ofEnd.set(keyOfEnd({ kind: 'workload', namespace, labels }), spot);
    }
  }

  get all(): Iterable<Spot> {
    return this.#spots.values();
  }

  at(id: string): Spot | undefined {
    return this.#spots.get(id);
  }

  of(end: FlowEnd): Spot {
    const key = keyOfEnd(end);
    let spot = this.#ofEnd.get(key);
    if (!spot) {
      const made = this.#make(end);
      spot = this.#spots.get(made.id) ?? made;
      this.#spots.set(spot.id, spot);
      this.#ofEnd.set(key, spot);
    }
    return spot;
  }

  #make(end: FlowEnd): Spot {
    const none = { pods: [], workloads: [] };
    switch (end.kind) {
      case 'workload': {
        const { namespace } = end;
        const label = describeLabels(end.labels);
        return { id: `gone ${namespace}/${label}`, kind: 'gone', namespace, label, ...none };
      }
      case 'node':
        return { id: `node ${end.name}`, kind: 'node', label: end.name, ...none };
      case 'own-node':
        return { id: 'own-node', kind: 'node', label: "the pod's own node", ...none };
      case 'namespace':
        return { id: `others ${end.name}`, kind: 'others', namespace: end.name, label: 'more pods', ...none };
      case 'others':
        return { id: 'others', kind: 'others', label: 'others', ...none };
      case 'block': {
        const range = parseCidr(end.cidr)!;
        const block = this.#blocks.find((each) => isWithin(range, each.range));
        if (block) return { id: `block ${block.cidr}`, kind: 'block', label: block.cidr, ...none };
        return privateRanges.some((each) => isWithin(range, each))
          ? { id: 'private', kind: 'private', label: 'Private addresses', ...none }
          : { id: 'internet', kind: 'internet', label: 'Internet', ...none };
      }
    }
  }

  /** What stands for the ends of a flow when policies judge it. Empty if one has gone, or has no name. */
  pairs(from: FlowEnd, to: FlowEnd): [Endpoint, Endpoint][] {
    if (from.kind === 'own-node') return this.#withOwnNode(to).map(({ pod, node }) => [node, pod]);
    if (to.kind === 'own-node') return this.#withOwnNode(from).map(({ pod, node }) => [pod, node]);
    const destinations = this.#endpoints(to, from);
    return this.#endpoints(from, to).flatMap((source) =>
      destinations.map((destination): [Endpoint, Endpoint] => [source, destination]),
    );
  }

  #endpoints(end: FlowEnd, other: FlowEnd): Endpoint[] {
    switch (end.kind) {
      case 'workload':
        // Traffic of a pod with its own node is kept as `own-node`.
        return this.#podsAt(end, other.kind === 'node' ? other.name : undefined).map(({ read }) => ({ pod: read.key }));
      case 'node':
        return [{ node: end.name }];
      case 'block': {
        const { family, first, last } = parseCidr(end.cidr)!;
        return [...new Set([first, last])].map((value) => ({ address: formatAddress(family, value) }));
      }
      case 'own-node':
      case 'namespace':
      case 'others':
        return [];
    }
  }

  #withOwnNode(end: FlowEnd): { readonly pod: Endpoint; readonly node: Endpoint }[] {
    return this.#podsAt(end, undefined).flatMap(({ read: { key, nodeName } }) =>
      nodeName === undefined ? [] : [{ pod: { pod: key }, node: { node: nodeName } }],
    );
  }

  /** @param elsewhere only pods of other nodes */
  #podsAt(end: FlowEnd, elsewhere: string | undefined): readonly ScenePod[] {
    if (end.kind !== 'workload') return [];
    const key = keyOfEnd(end);
    const judgedKey = JSON.stringify([key, elsewhere]);
    let pods = this.#judged.get(judgedKey);
    if (!pods) this.#judged.set(judgedKey, (pods = this.#choosePods(key, elsewhere)));
    return pods;
  }

  /** Pods at an end that differ in labels or named ports; more than one of a kind only if there is no other kind. */
  #choosePods(key: string, elsewhere: string | undefined): readonly ScenePod[] {
    const pods = (this.#ofEnd.get(key)?.pods ?? []).filter(
      ({ namespace, labels, read }) =>
        read.addresses.length > 0 &&
        (elsewhere === undefined || read.nodeName !== elsewhere) &&
        keyOfEnd({ kind: 'workload', namespace, labels }) === key,
    );
    const kinds = new Map(pods.map((pod) => [JSON.stringify([labelsOf(pod.object), pod.read.namedPorts]), pod]));
    return kinds.size > 1 ? [...kinds.values()].slice(0, mostPods) : pods.slice(0, 2);
  }
}

function groupWorkloads(scene: Scene): Spot[] {
  const groups = new Map<string, { readonly namespace: string; members: Map<string, readonly ScenePod[]> }>();
  for (const workload of scene.workloads) {
    const { namespace, name } = workload;
    const pods = scene.podsOf(namespace).filter((pod) => pod.workload === workload);
    const keys = new Set(
      workload.pods.map((pod) => keyOfEnd({ kind: 'workload', namespace, labels: ownerLabels(labelsOf(pod)) })),
    );
    const group = { namespace, members: new Map<string, readonly ScenePod[]>([[name, pods]]) };
    for (const key of keys) {
      const other = groups.get(key);
      if (!other || other === group) continue;
      for (const [each, itsPods] of other.members) group.members.set(each, itsPods);
      for (const [known, each] of groups) if (each === other) groups.set(known, group);
    }
    for (const key of keys) groups.set(key, group);
  }
  return Array.from(new Set(groups.values()), ({ namespace, members }): Spot => {
    const [workloads, pods] = [sorted(members.keys()), [...members.values()].flat()];
    const more = workloads.length > mostNames ? ` and ${workloads.length - mostNames} more` : '';
    const label = workloads.slice(0, mostNames).join(', ') + more;
    return { id: `workload ${namespace}/${workloads[0]}`, kind: 'workload', namespace, label, pods, workloads };
  });
}

/** The blocks that policies name, the narrowest first. `0.0.0.0/0` names nothing in particular. */
function policyBlocks(objects: readonly JsonObject[]): { cidr: string; range: AddressRange }[] {
  const cidrs = new Set<string>();
  const add = (value: unknown): void => {
    if (typeof value === 'string') cidrs.add(value);
  };
  for (const object of objects) {
    const spec = objectAt(object, 'spec');
    if (object['kind'] !== 'NetworkPolicy' && object['kind'] !== 'ClusterNetworkPolicy') continue;
    for (const rule of [...listAt(spec, 'ingress'), ...listAt(spec, 'egress')]) {
      for (const peer of [...listAt(rule, 'from'), ...listAt(rule, 'to')]) {
        add(textAt(peer, 'ipBlock', 'cidr'));
        listAt(peer, 'networks').forEach(add);
      }
    }
  }
  const blocks = [...cidrs].flatMap((cidr) => {
    const range = parseCidr(cidr);
    return range && !cidr.endsWith('/0') ? [{ cidr, range }] : [];
  });
  const sizeOf = ({ range }: { readonly range: AddressRange }): bigint => range.last - range.first;
  return blocks.sort((a, b) => Number(sizeOf(a) > sizeOf(b)) - Number(sizeOf(a) < sizeOf(b)));
}

function isWithin(range: AddressRange, around: AddressRange): boolean {
  const { family, first, last } = range;
  return containsAddress(around, { family, value: first }) && containsAddress(around, { family, value: last });
}
