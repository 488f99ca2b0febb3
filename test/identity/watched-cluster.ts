import assert from 'node:assert/strict';
import type { Cluster } from '../../src/evaluator/cluster.ts';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate, resolveEndpoint } from '../../src/evaluator/evaluator.ts';
import { familyOf } from '../../src/model/address.ts';
import type { ResourceName } from '../../src/model/cluster.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { ResourceWatch, defaultTiming } from '../../src/watch/watch.ts';
import { checkPacket, emptyRuleset, generationsOf } from '../support/every-moment.ts';
import { hooksOf, passes, type Flow, type Place } from '../support/path.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import type { ListLine, WatchLine } from './order.ts';
import { ScriptedApi } from './scripted-api.ts';

const nodes = ['n1', 'n2'];
export const outside = ['203.0.113.5', '2001:db8::5'];

/** Both nodes of a cluster that tells its story, each with what its kernel holds. */
export class WatchedCluster {
  readonly #api = new ScriptedApi();
  readonly #pipelines = new Map(nodes.map((node) => [node, new Pipeline(node)]));
  readonly #applied = new Map<string, Ruleset>();
  readonly #flows: readonly Flow[];
  readonly #stop = new AbortController();
  readonly #skipped: string[] = [];
  #watches: Promise<unknown> | undefined;
  #before: readonly ApiObject[] = [];
  /** Packets compared with the evaluator, stages passed through, and verdicts that a stage changed. */
  readonly counts = { packets: 0, stages: 0, flips: 0 };

  /** Packets of all flows between the addresses are traced, or of those alone that have an end among the `movers`. */
  constructor(addresses: readonly string[], movers?: readonly string[]) {
    const isWanted = ({ source, destination }: Flow): boolean =>
      !movers || movers.includes(source) || movers.includes(destination);
    this.#flows = [...flowsBetween(addresses)].filter(isWanted);
  }

  get objects(): ApiObject[] {
    return this.#api.objects;
  }

  get rulesets(): Record<string, Ruleset> {
    return Object.fromEntries(this.#applied);
  }

  /** Begins with lists; later ones are told after a stream that has expired. */
  async list(lists: readonly ListLine[]): Promise<void> {
    for (const { object } of lists) this.#api.setList(resourceOfList(object.kind), object.items);
    if (this.#watches) {
      for (const { object } of lists) await this.#heard(this.#api.expire(resourceOfList(object.kind)));
    } else {
      this.#watch();
      await this.#heard(this.#api.untilAsked());
    }
    this.#check();
  }

  async tell(line: WatchLine): Promise<void> {
    await this.#heard(this.#api.tell(line));
    this.#check();
  }

  /** All of it happens while the stream of the resource is broken, and is found in the next list. */
  async miss(lines: readonly WatchLine[], resource: ResourceName): Promise<void> {
    for (const line of lines) this.#api.change(line);
    await this.#heard(this.#api.expire(resource));
    this.#check();
  }

  /** What all came to must be what one list of the same objects comes to, with nothing left to do. */
  end(): void {
    assert.deepEqual(this.#skipped, []);
    for (const [node, pipeline] of this.#pipelines) {
      const fresh = startPipeline(node, this.objects);
      const { compiled } = fresh.plan(undefined);
      const last = pipeline.plan(this.#applied.get(node));
      assert.equal(renderRuleset(last.compiled.ruleset), renderRuleset(compiled.ruleset));
      assert.deepEqual(last.stages, []);
      assert.deepEqual(new Map(pipeline.issues), new Map(fresh.issues));
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watches;
  }

  /** Whether the flow passes, by the packets at both ends' nodes and by the evaluator; `undefined` where it has no place. */
  judge(cluster: Cluster, flow: Flow): boolean | undefined {
    const { family, protocol, destinationPort } = flow;
    const [sources, destinations] = [flow.source, flow.destination].map((each) => placesOf(cluster, each)) as [
      Place[],
      Place[],
    ];
    const decision = evaluate(cluster, {
      source: { address: flow.source },
      destination: { address: flow.destination },
      protocol: protocol === 'tcp' ? 'TCP' : 'ICMP',
      ...(destinationPort === undefined ? {} : { destinationPort }),
      family,
    });
    let verdict: boolean | undefined;
    for (const source of sources) {
      for (const destination of destinations) {
        const hooks = hooksOf(source, destination);
        const own = hooks.some(({ hook }) => hook !== 'forward');
        // Rivals on several nodes: whose own node it is depends on who is real.
        if (hooks.length === 0 || (own && sources.length + destinations.length > 2)) continue;
        // A pod's answer to its own node is not judged, nor is what the node sends (S5.1).
        for (const orientation of own ? (['original'] as const) : (['original', 'reply'] as const)) {
          const passed = passes(this.rulesets, flow, { source, destination }, orientation);
          const told = `${JSON.stringify(flow)} ${orientation} from ${JSON.stringify(source)} to ${JSON.stringify(destination)}`;
          const { egress, ingress } = decision;
          assert.equal(passed ? 'allowed' : 'denied', decision.verdict, `${told}: ${egress.reason}; ${ingress.reason}`);
          this.counts.packets++;
          verdict = passed;
        }
      }
    }
    return verdict;
  }

  /** A watch that ends early has failed, and would never ask again. */
  async #heard(told: Promise<void>): Promise<void> {
    await Promise.race([told, this.#watches]);
  }

  #watch(): void {
    const skipped = (_: unknown, message: string): void => void this.#skipped.push(message);
    const observer = { contact: () => {}, listed: () => {}, interrupted: () => {}, skipped };
    const timing = { ...defaultTiming, sleep: () => Promise.resolve() };
    const watches = watchedResources.map((resource) => {
      const receive: ConstructorParameters<typeof ResourceWatch>[2] = (event) => {
        for (const pipeline of this.#pipelines.values()) pipeline.receive(event);
      };
      return new ResourceWatch(resource, this.#api, receive, observer, timing).run(this.#stop.signal);
    });
    this.#watches = Promise.all(watches);
  }

  #check(): void {
    const objects = this.objects;
    for (const [node, pipeline] of this.#pipelines) this.#apply(node, pipeline, [...this.#before, ...objects]);
    this.#before = objects;
    const cluster = prepareCluster(objects);
    for (const flow of this.#flows) this.judge(cluster, flow);
  }

  /** Takes the node's kernel to what it should hold, and traces packets through every moment of it. */
  #apply(node: string, pipeline: Pipeline, objects: readonly ApiObject[]): void {
    const before = this.#applied.get(node);
    const plan = pipeline.plan(before);
    const generations = generationsOf(before ?? emptyRuleset, plan);
    this.#applied.set(node, generations.at(-1)!);
    if (!before || plan.stages.length === 0) return;
    this.counts.stages += plan.stages.length;
    const local = new Set(objects.flatMap((object) => localAddresses(object, node)));
    for (const flow of this.#flows) {
      if (local.has(flow.source) === local.has(flow.destination) || flow.protocol !== 'tcp') continue;
      for (const packet of packetsOf(flow)) if (checkPacket(packet, generations)) this.counts.flips++;
    }
  }
}

/** Allowed by a policy, allowed by none, and without a port. */
function* flowsBetween(addresses: readonly string[]): Generator<Flow> {
  for (const source of addresses) {
    for (const destination of addresses) {
      const family = familyOf(source);
      if (family !== familyOf(destination)) continue;
      const ends = { family, source, destination };
      for (const destinationPort of [8080, 9090])
        yield { ...ends, protocol: 'tcp', sourcePort: 40_000, destinationPort };
      yield { ...ends, protocol: family === 'ipv4' ? 'icmp' : 'icmpv6' };
    }
  }
}

function packetsOf(flow: Flow): Packet[] {
  const common = { hook: 'forward', ctState: 'established' } as const;
  const { source, destination, sourcePort, destinationPort } = flow as Required<Flow>;
  return [
    { ...common, ...flow, direction: 'original' },
    {
      ...common,
      ...flow,
      source: destination,
      destination: source,
      sourcePort: destinationPort,
      destinationPort: sourcePort,
      direction: 'reply',
    },
  ];
}

/** Where the address can be: more than one place if several claim it with equal right. */
function placesOf(cluster: Cluster, address: string): Place[] {
  const party = resolveEndpoint(cluster, { address }, familyOf(address));
  assert.ok(typeof party !== 'string', String(party));
  if (party.claimants.length === 0 && !party.pod) return [{ pod: false, node: party.node }];
  const places = new Set((party.pod ? [party.pod] : party.claimants).map(({ nodeName }) => nodeName!));
  return [...places].map((node) => ({ pod: true, node }));
}

function localAddresses(object: ApiObject, node: string): string[] {
  if (object.kind !== 'Pod' || (object['spec'] as { nodeName?: string }).nodeName !== node) return [];
  return addressesOf(object);
}

export function addressesOf(object: ApiObject): string[] {
  const { addresses = [], podIPs = [] } = (object['status'] ?? {}) as {
    addresses?: { address: string }[];
    podIPs?: { ip: string }[];
  };
  return [...addresses.map(({ address }) => address), ...podIPs.map(({ ip }) => ip)];
}

function resourceOfList(kind: string): ResourceName {
  const plural = kind === 'NetworkPolicyList' ? 'networkpolicies' : `${kind.replace(/List$/, '').toLowerCase()}s`;
  return plural as ResourceName;
}
