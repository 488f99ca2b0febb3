import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../src/lib/json.ts';

/** The cyclonus generator's cases as data, kept beside the checkout; its README describes the form. */
const casesFile = fileURLToPath(new URL('../../../shared/cases/cases.json', import.meta.url));

/** Source → destination → port → whether it connects. */
type Expectation = Record<string, Record<string, Record<string, boolean>>>;

export interface CasePod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly ips: readonly string[];
  readonly containers: readonly { port: number; protocol: string; name: string }[];
}

export interface Case {
  readonly id: string;
  readonly description: string;
  readonly ipFamily?: 4 | 6;
  readonly ipPlaceholders?: readonly { token: string; cidr: string }[];
  readonly steps: readonly {
    readonly actions: readonly Record<string, never>[];
    readonly probe: 'all available' | { readonly port: number | string; readonly protocol: string };
    readonly expected: Expectation;
    readonly peerIP?: {
      readonly side: 'from' | 'to';
      readonly otherwise: Partial<Record<'insideNarrow' | 'wideOnly' | 'outsideWide', Expectation>>;
    };
  }[];
}

export interface CaseFile {
  readonly namespaces: Record<string, Record<string, string>>;
  readonly pods: readonly CasePod[];
  readonly cases: readonly Case[];
}

export function readCases(): CaseFile | undefined {
  return existsSync(casesFile) ? (JSON.parse(readFileSync(casesFile, 'utf8')) as CaseFile) : undefined;
}

/** The cluster of a case, changed by its actions, as API objects. */
export class CaseCluster {
  readonly #objects = new Map<string, JsonObject>();
  readonly #placeholders: readonly { token: string; cidr: string }[];

  constructor(file: CaseFile, { ipPlaceholders = [] }: Case) {
    this.#placeholders = ipPlaceholders;
    for (const [name, labels] of Object.entries(file.namespaces)) this.#put(namespaceObject(name, labels));
    for (const pod of file.pods) this.#put(podObject(pod));
  }

  get objects(): Iterable<JsonObject> {
    return this.#objects.values();
  }

  apply(action: Record<string, never>): void {
    const [[verb, argument]] = Object.entries(action) as unknown as [[string, unknown]];
    const given = argument as CasePod & JsonObject;
    switch (verb) {
      case 'createPolicy':
      case 'updatePolicy':
        return this.#put(this.#fillIn(given));
      case 'deletePolicy':
        return this.#delete('NetworkPolicy', given.namespace, given.name);
      case 'createNamespace':
      case 'setNamespaceLabels':
        return this.#put(namespaceObject(given.name, given.labels));
      case 'deleteNamespace':
        for (const [key, object] of this.#objects) {
          const { namespace, name } = object['metadata'] as { namespace?: string; name: string };
          if (namespace === given.name || (namespace === undefined && name === given.name)) this.#objects.delete(key);
        }
        return;
      case 'createPod':
        return this.#put(podObject(given));
      case 'deletePod':
        return this.#delete('Pod', given.namespace, given.name);
      case 'setPodLabels': {
        const pod = this.#objects.get(`Pod ${given.namespace}/${given.name}`)!;
        return this.#put({ ...pod, metadata: { ...(pod['metadata'] as JsonObject), labels: given.labels } });
      }
      case 'readPodIPs':
        return;
      default:
        throw new Error(`unknown action ${verb}`);
    }
  }

  #put(object: JsonObject): void {
    const { namespace, name } = object['metadata'] as { namespace?: string; name: string };
    this.#objects.set(`${object['kind'] as string} ${namespace ?? ''}/${name}`, object);
  }

  #delete(kind: string, namespace: string, name: string): void {
    if (!this.#objects.delete(`${kind} ${namespace}/${name}`)) throw new Error(`no ${kind} ${namespace}/${name}`);
  }

  #fillIn(policy: JsonObject): JsonObject {
    let text = JSON.stringify(policy);
    for (const { token, cidr } of this.#placeholders) text = text.replaceAll(token, cidr);
    return JSON.parse(text) as JsonObject;
  }
}

function namespaceObject(name: string, labels: Record<string, string>): JsonObject {
  const metadata = { name, labels: { ...labels, 'kubernetes.io/metadata.name': name } };
  return { apiVersion: 'v1', kind: 'Namespace', metadata };
}

function podObject({ namespace, name, labels, ips, containers }: CasePod): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      containers: containers.map((container) => ({
        name: container.name,
        ports: [{ name: container.name, containerPort: container.port, protocol: container.protocol }],
      })),
    },
    status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
  };
}
