import { deepEqual, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { assignAddresses } from '../../src/manifests/addresses.ts';
import { applyDefaults } from '../../src/manifests/defaults.ts';
import type { Family } from '../../src/model/address.ts';
import { keyOf, type ApiObject as WatchedObject } from '../support/pipeline.ts';
import { TracedCluster } from '../support/traced-cluster.ts';
import { tierCases } from './all.ts';
import { cast, fillIn, readFlow, type Step } from './language.ts';

const nodeNames = ['n1', 'n2'];
/** As the lab makes them. */
const nodes = nodeNames.map((name, index) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  status: {
    addresses: [`172.30.0.${index + 2}`, `fd00:172:30::${index + 2}`].map((address) => ({
      type: 'InternalIP',
      address,
    })),
  },
}));

/** The cast and what the steps of a case have made of it. */
class TierCluster {
  readonly #objects = new Map<string, ApiObject>([...nodes, ...cast].map((object) => [nameOf(object), object]));
  readonly #traced = new TracedCluster(nodeNames);
  #addresses: ReadonlyMap<string, readonly string[]> = new Map();

  take({ given = [], gone = [] }: Step): void {
    for (const object of given) this.#objects.set(nameOf(object), object);
    for (const object of gone) this.#objects.delete(nameOf(object));
    const plain = [...this.#objects.values()] as unknown as JsonObject[];
    const objects = assignAddresses(applyDefaults(plain).objects).objects as unknown as ApiObject[];
    this.#addresses = new Map(objects.map((object) => [nameOf(object), addressesOf(object)]));
    const watched = objects.filter(({ kind }) => kind !== 'Service' && kind !== 'Host');
    this.#traced.become(watched.map((object) => fillIn(object, this.#addressAt) as unknown as WatchedObject));
  }

  readonly #addressAt = (key: string, family: Family): string =>
    this.#addresses.get(objectNameOf(key))!.find((address) => address.includes(':') === (family === 'ipv6'))!;

  wrong(text: string, expected: 'allowed' | 'denied'): string[] {
    const { from, to, port, families } = readFlow(text);
    const service = this.#objects.get(`Service ${to}`);
    const end = service ? `${service.metadata.namespace}/a` : to;
    return families.flatMap((family) => {
      const ends = { source: this.#addressAt(from, family), destination: this.#addressAt(end, family) };
      const flow = { ...ends, family, port, throughService: service !== undefined && from === end };
      return this.#traced.wrong(flow, expected).map((each) => `${text} ${family}: ${each}`);
    });
  }
}

/** Services by their name alone, as flows name them. */
function nameOf(object: ApiObject): string {
  const { kind, metadata } = object;
  return kind === 'Service' ? `Service ${metadata.name}` : `${kind} ${keyOf(object as unknown as WatchedObject)}`;
}

function objectNameOf(station: string): string {
  const [first, name] = station.split('/') as [string, string];
  if (first === 'host') return `Host ${name}`;
  return first === 'node' ? `Node ${name}` : `Pod ${station}`;
}

function addressesOf({ spec, status }: ApiObject & { status?: unknown }): string[] {
  const { addresses = [] } = (spec ?? {}) as { addresses?: string[] };
  const { podIPs = [], addresses: ofNode = [] } = (status ?? {}) as {
    podIPs?: { ip: string }[];
    addresses?: { address: string }[];
  };
  return [...addresses, ...podIPs.map(({ ip }) => ip), ...ofNode.map(({ address }) => address)];
}

describe('ClusterNetworkPolicies, case by case: the evaluator and the rules say', () => {
  for (const { title, steps } of tierCases) {
    it(title, () => {
      const cluster = new TierCluster();
      for (const step of steps) {
        cluster.take(step);
        const { yes = [], no = [], closed = [] } = step;
        const passing = [...yes, ...closed].flatMap((each) => cluster.wrong(each, 'allowed'));
        deepEqual([...passing, ...no.flatMap((each) => cluster.wrong(each, 'denied'))], []);
      }
    });
  }

  it('in at least 60 cases, each with a title of its own', () => {
    ok(tierCases.length >= 60);
    deepEqual(new Set(tierCases.map(({ title }) => title)).size, tierCases.length);
  });
});
