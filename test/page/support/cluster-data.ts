import type { FlowEnd, FlowHistory, KeptFlow, SeenVerdict } from '../../../src/flows/kept-flow.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import type { PageData } from '../../../src/map/page-data.ts';

/** The minute in which the data was read: 2026-12-02 10:42 UTC. */
export const readMinute = Math.floor(Date.UTC(2026, 11, 2, 10, 42) / 60_000);

/** Builds the data of a page, row by row. */
export class ClusterData {
  readonly #objects: JsonObject[] = [];
  readonly #flows: KeptFlow[] = [];
  #pods = 0;

  node(name: string): this {
    const index = this.#objects.filter(({ kind }) => kind === 'Node').length + 1;
    const addresses = [{ type: 'InternalIP', address: `192.168.100.${index}` }];
    return this.object({ apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { addresses } });
  }

  namespace(name: string, labels: Readonly<Record<string, string>> = {}): this {
    const all = { 'kubernetes.io/metadata.name': name, ...labels };
    return this.object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: all } });
  }

  /** A deployment with this many pods. */
  workload(path: Path, pods = 1, ports: Readonly<Record<string, number>> = {}, labels = labelsOf(path)): this {
    const [namespace, name] = splitPath(path);
    for (let index = 0; index < pods; index++) {
      const number = this.#pods++;
      this.object({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          namespace,
          name: `${name}-7c9d-${index}`,
          labels: { ...labels, 'pod-template-hash': '7c9d' },
          ownerReferences: [{ kind: 'ReplicaSet', name: `${name}-7c9d`, controller: true }],
        },
        spec: {
          nodeName: `n${(number % 2) + 1}`,
          containers: [
            { ports: Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort })) },
          ],
        },
        status: { phase: 'Running', podIPs: [{ ip: `10.244.${number >> 8}.${number & 255}` }] },
      });
    }
    return this;
  }

  policy(path: Path, spec: JsonObject, metadata: JsonObject = {}): this {
    const [namespace, name] = splitPath(path);
    const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
    return this.object({ ...kind, metadata: { namespace, name, ...metadata }, spec });
  }

  object(object: JsonObject): this {
    this.#objects.push(object);
    return this;
  }

  /** @param counts new connections in the last minutes, the newest last */
  flow(from: string, to: string, port: string, verdict: SeenVerdict, counts: readonly number[]): this {
    return this.flowBetween(endOf(from), endOf(to), port, verdict, counts);
  }

  flowBetween(from: FlowEnd, to: FlowEnd, port: string, verdict: SeenVerdict, counts: readonly number[]): this {
    const [protocol, number] = port.split('/') as [KeptFlow['protocol'], string | undefined];
    const start = readMinute - counts.length + 1;
    const minutes = counts.map((count, index) => [start + index, count] as const).filter(([, count]) => count > 0);
    this.#flows.push({
      ...{ from, to, local: 'both', protocol, verdict, minutes },
      ...(number !== undefined && { port: number === 'other' ? 'other' : Number(number) }),
      first: minutes[0]?.[0] ?? start,
      last: minutes.at(-1)?.[0] ?? readMinute,
    });
    return this;
  }

  build(more: Partial<PageData> = {}): PageData {
    const history = (node: string, flows: readonly KeptFlow[]): FlowHistory => {
      return { node, now: readMinute, since: readMinute - 59, flows };
    };
    return {
      source: { kind: 'cluster', name: 'shop-eu' },
      readAt: new Date(readMinute * 60_000 + 7000).toISOString(),
      objects: this.#objects,
      histories: [history('n1', this.#flows), history('n2', [])],
      findings: [],
      notes: [],
      ...more,
    };
  }
}

/** `shop/web`, or both parts if they may contain a `/`. */
export type Path = string | readonly [namespace: string, name: string];

function splitPath(path: Path): readonly [namespace: string, name: string] {
  if (typeof path !== 'string') return path;
  const at = path.indexOf('/');
  return [path.slice(0, at), path.slice(at + 1)];
}

function labelsOf(path: Path): Readonly<Record<string, string>> {
  return path === 'kube-system/coredns' ? { 'k8s-app': 'kube-dns' } : { app: splitPath(path)[1] };
}

/** `shop/web`, `node n1`, `198.51.100.0/24` */
function endOf(text: string): FlowEnd {
  if (text.startsWith('node ')) return { kind: 'node', name: text.slice(5) };
  if (/^[0-9a-f.:]+\/[0-9]+$/.test(text)) return { kind: 'block', cidr: text };
  return { kind: 'workload', namespace: splitPath(text)[0], labels: labelsOf(text) };
}
