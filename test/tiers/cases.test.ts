import { deepEqual, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { PortProtocol } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { assignAddresses } from '../../src/manifests/addresses.ts';
import { applyDefaults } from '../../src/manifests/defaults.ts';
import { hooksOf, passes, type Place } from '../support/path.ts';
import { compileNode, keyOf, type ApiObject as WatchedObject } from '../support/pipeline.ts';
import { tierCases } from './all.ts';
import { cast, fillIn, readFlow, type AskedFlow, type Step } from './language.ts';

const nodeNames = ['n1', 'n2'];
const nodeAddresses = nodeNames.map((_, index) => [`172.30.0.${index + 2}`, `fd00:172:30::${index + 2}`]);
const nodes = nodeNames.map((name, index) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  status: { addresses: nodeAddresses[index]!.map((address) => ({ type: 'InternalIP', address })) },
}));

/** The cast and what the steps of a case have made of it. */
class TierCluster {
  readonly #objects = new Map<string, ApiObject>();

  constructor() {
    for (const object of [...nodes, ...cast]) this.#put(object);
  }

  change({ given = [], gone = [] }: Step): void {
    for (const object of given) this.#put(object);
    for (const object of gone) this.#objects.delete(nameOf(object));
  }

  #put(object: ApiObject): void {
    this.#objects.set(nameOf(object), object);
  }

  /** Verdicts of the evaluator and of the packet trace that are not `expected`. */
  wrong(flows: readonly (readonly [text: string, expected: 'allowed' | 'denied'])[]): string[] {
    const given = [...this.#objects.values()] as unknown as JsonObject[];
    const objects = assignAddresses(applyDefaults(given).objects).objects as unknown as ApiObject[];
    const addresses = new Map(objects.map((object) => [nameOf(object), addressesOf(object)]));
    const addressAt = (key: string, family: string): string =>
      addresses.get(kindOf(key))!.find((address) => address.includes(':') === (family === 'ipv6'))!;
    const filled = objects.map((object) => fillIn(object, addressAt));
    const cluster = prepareCluster(filled);
    const watched = filled
      .filter(({ kind }) => kind !== 'Service' && kind !== 'Host')
      .map((object): WatchedObject => {
        const metadata = { ...object.metadata, name: object.metadata.name!, uid: nameOf(object), resourceVersion: '1' };
        return { ...object, kind: object.kind, metadata };
      });
    const rulesets = Object.fromEntries(nodeNames.map((name) => [name, compileNode(name, watched)]));
    const placeOf = (key: string): Place => {
      if (key.startsWith('node/')) return { pod: false, node: key.slice(5) };
      const { nodeName, hostNetwork } = (this.#objects.get(kindOf(key))?.spec ?? {}) as {
        nodeName?: string;
        hostNetwork?: boolean;
      };
      return nodeName !== undefined && !hostNetwork ? { pod: true, node: nodeName } : { pod: false, node: nodeName };
    };
    return flows.flatMap(([text, expected]) => {
      const flow = readFlow(text);
      const target = this.#objects.has(`Service ${flow.to}`) ? flow.to : undefined;
      const to = target === undefined ? flow.to : `${this.#endpointSpace(target)}/a`;
      return flow.families.flatMap((family) => {
        const [source, destination] = [addressAt(flow.from, family), addressAt(to, family)];
        const throughService = target !== undefined && flow.from === to;
        const { protocol, number } = trafficOf(flow);
        const decision = evaluate(cluster, {
          source: { address: source },
          destination: { address: destination },
          protocol: protocol as PortProtocol,
          ...(number !== undefined && { destinationPort: number }),
          family,
          ...(throughService && { throughService: true as const }),
        });
        const told = [`evaluator: ${decision.verdict}`];
        const [from, end] = [placeOf(flow.from), placeOf(to)];
        // Inside of the pod, no packet meets the rules of the node.
        if (flow.from !== to || throughService) {
          const packet = { family, source, destination, ...packetOf(flow, family) };
          const isOwnNode = hooksOf(from, end)[0]?.hook !== 'forward';
          for (const way of isOwnNode ? (['original'] as const) : (['original', 'reply'] as const)) {
            const isPassing = passes(rulesets, packet, { source: from, destination: end }, way);
            told.push(`rules (${way}): ${isPassing ? 'allowed' : 'denied'}`);
          }
        }
        return told.filter((each) => !each.endsWith(expected)).map((each) => `${text} ${family}: ${each}`);
      });
    });
  }

  #endpointSpace(name: string): string {
    return this.#objects.get(`Service ${name}`)!.metadata.namespace!;
  }
}

/** Services by their name alone, as flows name them. */
function nameOf(object: ApiObject): string {
  const { kind, metadata } = object;
  return kind === 'Service' ? `Service ${metadata.name}` : `${kind} ${keyOf(object as unknown as WatchedObject)}`;
}

function kindOf(key: string): string {
  const [first, name] = key.split('/') as [string, string];
  if (first === 'host') return `Host ${name}`;
  return first === 'node' ? `Node ${name}` : `Pod ${key}`;
}

function addressesOf({ spec, status }: ApiObject & { status?: unknown }): string[] {
  const { addresses = [] } = (spec ?? {}) as { addresses?: string[] };
  const { podIPs = [], addresses: ofNode = [] } = (status ?? {}) as {
    podIPs?: { ip: string }[];
    addresses?: { address: string }[];
  };
  return [...addresses, ...podIPs.map(({ ip }) => ip), ...ofNode.map(({ address }) => address)];
}

function trafficOf({ port }: AskedFlow): { protocol: string; number?: number } {
  if (port === 'icmp') return { protocol: 'ICMP' };
  const [protocol, number] = port.split('/') as [string, string];
  return { protocol, number: Number(number) };
}

function packetOf(flow: AskedFlow, family: 'ipv4' | 'ipv6') {
  const { protocol, number } = trafficOf(flow);
  if (number === undefined) return { protocol: family === 'ipv4' ? 'icmp' : 'icmpv6' };
  return { protocol: protocol.toLowerCase(), sourcePort: 40_000, destinationPort: number };
}

describe('ClusterNetworkPolicies, case by case: the evaluator and the rules say', () => {
  for (const { title, steps } of tierCases) {
    it(title, () => {
      const cluster = new TierCluster();
      for (const step of steps) {
        cluster.change(step);
        const { yes = [], no = [], closed = [] } = step;
        const flows = [
          ...[...yes, ...closed].map((each) => [each, 'allowed'] as const),
          ...no.map((each) => [each, 'denied'] as const),
        ];
        deepEqual(cluster.wrong(flows), []);
      }
    });
  }

  it('in at least 60 cases, each with a title of its own', () => {
    ok(tierCases.length >= 60);
    deepEqual(new Set(tierCases.map(({ title }) => title)).size, tierCases.length);
  });
});
