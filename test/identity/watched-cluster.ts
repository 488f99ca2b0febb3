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
import { checkPacket, generationsOf } from '../support/every-moment.ts';
import { hooksOf, passes, type Flow, type Place } from '../support/path.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { emptyTable, tableOfPacket } from '../support/routed.ts';
import type { FactLine, ListLine, WatchLine } from './order.ts';
import { ScriptedApi } from './scripted-api.ts';
import { NodeKnowledge } from './truth.ts';

const nodes = ['n1', 'n2'];
export const outside = ['203.0.113.5', '2001:db8::5'];

/** Where everything really is, and what each node knows of that. */
export interface Views {
  readonly real: Cluster;
  readonly known: ReadonlyMap<string, Cluster>;
}

const withoutRules = Object.fromEntries(nodes.map((node) => [node, { ip: emptyTable, ip6: emptyTable }]));

/** Both nodes of a cluster that tells its story, each with what its kernel holds. */
export class WatchedCluster {
  readonly #api = new ScriptedApi();
  readonly #pipelines = new Map(nodes.map((node) => [node, new Pipeline(node)]));
  readonly #knowledge = new Map(nodes.map((node) => [node, new NodeKnowledge()]));
  readonly #applied = new Map<string, Ruleset>();
  readonly #flows: readonly Flow[];
  readonly #stop = new AbortController();
  readonly #skipped: string[] = [];
  #watches: Promise<unknown> | undefined;
  readonly #before = new Map<string, readonly ApiObject[]>();
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

  /** The objects, corrected by all that nodes know better. */
  get truth(): ApiObject[] {
    return nodes.reduce((objects, node) => this.#knowledge.get(node)!.correct(objects, node), this.objects);
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

  async tell(line: WatchLine | FactLine): Promise<void> {
    if (line.type === 'FACT') {
      this.#knowledge.get(line.node)!.receive(line.fact);
      this.#pipelines.get(line.node)!.receive(line.fact);
    } else await this.#heard(this.#api.tell(line));
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
      for (const fact of this.#knowledge.get(node)!.facts) fresh.receive(fact);
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

  /** Whether the flow passes, by the packets at both ends' nodes; each node must do what the evaluator says of what that node knows. */
  judge({ real, known }: Views, flow: Flow): boolean | undefined {
    let verdict: boolean | undefined;
    for (const source of placesOf(real, flow.source)) {
      for (const destination of placesOf(real, flow.destination)) {
        const places = { source, destination };
        const hooks = hooksOf(source, destination);
        const own = hooks.some(({ hook }) => hook !== 'forward');
        const rivals = placesOf(real, flow.source).length + placesOf(real, flow.destination).length > 2;
        // Rivals on several nodes: whose own node it is depends on who is real.
        if (hooks.length === 0 || (own && rivals)) continue;
        // A pod's answer to its own node is not judged, nor is what the node sends (S5.1).
        for (const orientation of own ? (['original'] as const) : (['original', 'reply'] as const)) {
          const passed = hooks.map(({ node }) => {
            const { isAllowed, reason } = judgeAt(node, known.get(node)!, flow);
            const rulesets = { ...withoutRules, [node]: this.#applied.get(node)! };
            const told = `${JSON.stringify(flow)} ${orientation} at ${node} ${JSON.stringify(places)}`;
            assert.equal(passes(rulesets, flow, places, orientation), isAllowed, `${told}: ${reason}`);
            return isAllowed;
          });
          this.counts.packets++;
          verdict = passed.every(Boolean);
        }
      }
    }
    return verdict;
  }

  /** For the evaluator. */
  get views(): Views {
    const known = nodes.map((node): [string, Cluster] => [node, prepareCluster(this.#correctedAt(node))]);
    return { real: prepareCluster(this.truth), known: new Map(known) };
  }

  #correctedAt(node: string): ApiObject[] {
    return this.#knowledge.get(node)!.correct(this.objects, node);
  }

  /** A watch that ends early has failed, and would never ask again. */
  async #heard(told: Promise<void>): Promise<void> {
    await Promise.race([told, this.#watches]);
  }

  #watch(): void {
    const skipped = (_: unknown, message: string): void => void this.#skipped.push(message);
    const observer = { contact: () => {}, listed: () => {}, emptied: () => {}, interrupted: () => {}, skipped };
    const timing = { ...defaultTiming, sleep: () => Promise.resolve() };
    const watches = watchedResources.map((resource) => {
      const receive: ConstructorParameters<typeof ResourceWatch>[2] = (event) => {
        for (const pipeline of this.#pipelines.values()) pipeline.receive(event);
        if (event.op !== 'upsert') return;
        for (const knowledge of this.#knowledge.values()) knowledge.watched(event.key, event.uid);
      };
      return new ResourceWatch(resource, this.#api, receive, observer, timing).run(this.#stop.signal);
    });
    this.#watches = Promise.all(watches);
  }

  #check(): void {
    for (const [node, pipeline] of this.#pipelines) {
      const objects = this.#correctedAt(node);
      this.#apply(node, pipeline, [...(this.#before.get(node) ?? []), ...objects]);
      this.#before.set(node, objects);
    }
    const views = this.views;
    for (const flow of this.#flows) this.judge(views, flow);
  }

  /** Takes the node's kernel to what it should hold, and traces packets through every moment of it. */
  #apply(node: string, pipeline: Pipeline, objects: readonly ApiObject[]): void {
    const before = this.#applied.get(node);
    const plan = pipeline.plan(before);
    const generations = generationsOf(before ?? {}, plan);
    this.#applied.set(node, generations.at(-1)!);
    if (!before || plan.stages.length === 0) return;
    this.counts.stages += plan.stages.length;
    const local = new Set(objects.flatMap((object) => localAddresses(object, node)));
    for (const flow of this.#flows) {
      if (local.has(flow.source) === local.has(flow.destination) || flow.protocol !== 'tcp') continue;
      const tables = generations.map((each) => tableOfPacket(each, flow));
      for (const packet of packetsOf(flow)) if (checkPacket(packet, tables)) this.counts.flips++;
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

/** A node judges egress of its own pods, and ingress to them. */
function judgeAt(node: string, cluster: Cluster, flow: Flow): { isAllowed: boolean; reason: string } {
  const { family, protocol, source, destination, destinationPort } = flow;
  const { egress, ingress } = evaluate(cluster, {
    source: { address: source },
    destination: { address: destination },
    protocol: protocol === 'tcp' ? 'TCP' : 'ICMP',
    ...(destinationPort === undefined ? {} : { destinationPort }),
    family,
  });
  const isLocal = (address: string): boolean =>
    placesOf(cluster, address).some((each) => each.pod && each.node === node);
  const ends = [...(isLocal(source) ? [egress] : []), ...(isLocal(destination) ? [ingress] : [])];
  return {
    isAllowed: ends.every(({ verdict }) => verdict === 'allowed'),
    reason: ends.map(({ reason }) => reason).join('; '),
  };
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
