import { listAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { compareText, sorted } from '../lib/sort.ts';
import { keyOfEnd, type FlowEnd } from './kept-flow.ts';
import { ownerLabels, type Labels } from './owner-labels.ts';

/** The pods of one controller, or a pod without one. */
export interface Workload {
  readonly namespace: string;
  /** `deployment/web`, `pod/web-0` */
  readonly name: string;
  readonly pods: readonly JsonObject[];
}

/** Names of a pod that a text shows, at most. */
const mostNames = 3;

/** The workloads of the pods that run, by namespace and name. Pods on the host network are part of their node. */
export function findWorkloads(objects: Iterable<JsonObject>): Workload[] {
  const found = new Map<string, { namespace: string; name: string; pods: JsonObject[] }>();
  for (const pod of objects) {
    if (!isRunning(pod)) continue;
    const namespace = textAt(pod, 'metadata', 'namespace') ?? 'default';
    const name = workloadNameOf(pod);
    const known = found.get(`${namespace}/${name}`);
    if (known) known.pods.push(pod);
    else found.set(`${namespace}/${name}`, { namespace, name, pods: [pod] });
  }
  return [...found.values()].sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name));
}

function isRunning(object: JsonObject): boolean {
  if (object['kind'] !== 'Pod' || objectAt(object, 'spec')['hostNetwork'] === true) return false;
  return !['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase') ?? '');
}

export function labelsOf(pod: JsonObject): Labels {
  const labels = Object.entries(objectAt(pod, 'metadata', 'labels'));
  return Object.fromEntries(labels.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function workloadNameOf(pod: JsonObject): string {
  const owner = listAt(pod, 'metadata', 'ownerReferences').find((each) => objectAt(each)['controller'] === true);
  const [kind, name] = [textAt(owner, 'kind'), textAt(owner, 'name')];
  // The mirror object of a static pod belongs to its Node.
  if (kind === undefined || name === undefined || kind === 'Node')
    return `pod/${textAt(pod, 'metadata', 'name') ?? ''}`;
  const hash = labelsOf(pod)['pod-template-hash'];
  // ReplicaSet names are DEPLOYMENT-HASH; Job names are CRONJOB-MINUTES, with the scheduled time.
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`))
    return `deployment/${name.slice(0, -hash.length - 1)}`;
  if (kind === 'Job' && /-[0-9]{7,}$/.test(name)) return `cronjob/${name.replace(/-[0-9]+$/, '')}`;
  return `${kind.toLowerCase()}/${name}`;
}

/** Names ends as a user knows them. It knows the pods of the given objects alone: an end without such a pod is named by its labels. */
export class EndNames {
  readonly #names = new Map<string, Set<string>>();

  constructor(workloads: Iterable<Workload>) {
    for (const { namespace, name, pods } of workloads) {
      for (const pod of pods) {
        const key = keyOfEnd({ kind: 'workload', namespace, labels: ownerLabels(labelsOf(pod)) });
        this.#names.set(key, (this.#names.get(key) ?? new Set()).add(name));
      }
    }
  }

  /** `shop/deployment/web`, `shop: app=web`, `node n1`, `203.0.113.7/32` */
  nameOf(end: FlowEnd): string {
    switch (end.kind) {
      case 'workload': {
        const names = sorted(this.#names.get(keyOfEnd(end)) ?? []);
        const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : '';
        if (names.length > 0) return `${end.namespace}/${names.slice(0, mostNames).join(', ')}${more}`;
        return `${end.namespace}: ${describeLabels(end.labels)}`;
      }
      case 'node':
        return `node ${end.name}`;
      case 'own-node':
        return 'its own node';
      case 'block':
        return end.cidr.replace(/\/(32|128)$/, '');
      case 'namespace':
        return `${end.name}: pods`;
      case 'others':
        return 'others';
    }
  }
}

/** `app=web, tier=front` */
export function describeLabels(labels: Labels): string {
  const all = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return all.length === 0 ? 'pods without labels' : all.join(', ');
}
