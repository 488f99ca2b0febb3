import { prepareCluster, type Cluster } from '../../src/evaluator/cluster.ts';
import type { PortProtocol } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { Family } from '../../src/model/address.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { hooksOf, passes, type Place } from './path.ts';
import { keyOf, removeOf, resourceOf, startPipeline, upsertOf, type ApiObject } from './pipeline.ts';

/** Between addresses of the cluster. `icmp` has no port. */
export interface TracedFlow {
  readonly source: string;
  readonly destination: string;
  readonly family: Family;
  /** `TCP/80`, or `icmp`. */
  readonly port: string;
  /** Of a pod to itself. */
  readonly throughService?: boolean;
}

/** A cluster that changes: what the evaluator says of it, and the rules that its nodes have come to by these changes. */
export class TracedCluster {
  readonly #pipelines: ReadonlyMap<string, Pipeline>;
  readonly #objects = new Map<string, { readonly object: ApiObject; readonly text: string }>();
  readonly #rulesets: Record<string, Ruleset> = {};
  #version = 0;
  #evaluated: Cluster | undefined;
  #places: ReadonlyMap<string, Place> = new Map();

  constructor(nodes: readonly string[]) {
    this.#pipelines = new Map(nodes.map((node) => [node, startPipeline(node, [])]));
  }

  /** Makes it the cluster of these objects, by the events of what has changed. Kinds that agents do not watch are left out. */
  become(objects: readonly ApiObject[]): void {
    const now = new Map(objects.map((object) => [idOf(object), object]));
    for (const [id, { object }] of this.#objects) {
      if (now.has(id)) continue;
      this.#objects.delete(id);
      for (const pipeline of this.#pipelines.values()) pipeline.receive(removeOf(object));
    }
    for (const [id, object] of now) {
      const text = JSON.stringify(object);
      if (this.#objects.get(id)?.text === text) continue;
      this.#objects.set(id, { object, text });
      const metadata = { ...object.metadata, uid: id, resourceVersion: String(++this.#version) };
      for (const pipeline of this.#pipelines.values()) pipeline.receive(upsertOf({ ...object, metadata }));
    }
    for (const [node, pipeline] of this.#pipelines) this.#rulesets[node] = pipeline.plan(this.#rulesets[node]).result;
    this.#evaluated = prepareCluster(objects);
    this.#places = placesOf(objects);
  }

  /** What the evaluator and the rules say, each where it is not `expected`. */
  wrong(flow: TracedFlow, expected: 'allowed' | 'denied'): string[] {
    const { source, destination, family, throughService } = flow;
    const [protocol, number] = flow.port.split('/') as [string, string?];
    const ported = number !== undefined && { destinationPort: Number(number) };
    const { verdict } = evaluate(this.#evaluated!, {
      source: { address: source },
      destination: { address: destination },
      protocol: number === undefined ? 'ICMP' : (protocol as PortProtocol),
      ...ported,
      family,
      ...(throughService && { throughService: true as const }),
    });
    const told = [`evaluator: ${verdict}`];
    // Inside of the pod, no packet meets the rules of the node.
    if (source !== destination || throughService) {
      const icmp = family === 'ipv4' ? 'icmp' : 'icmpv6';
      const packet = { family, source, destination, protocol: number === undefined ? icmp : protocol.toLowerCase() };
      const places = { source: this.#placeOf(source), destination: this.#placeOf(destination) };
      // What the own node answers, and what it sends, no rule judges (S5.1).
      const isOwnNode = hooksOf(places.source, places.destination)[0]?.hook !== 'forward';
      for (const way of isOwnNode ? (['original'] as const) : (['original', 'reply'] as const)) {
        const isPassing = passes(
          this.#rulesets,
          { ...packet, ...(ported && { ...ported, sourcePort: 40_000 }) },
          places,
          way,
        );
        told.push(`rules (${way}): ${isPassing ? 'allowed' : 'denied'}`);
      }
    }
    return told.filter((each) => !each.endsWith(` ${expected}`));
  }

  #placeOf(address: string): Place {
    return this.#places.get(address) ?? { pod: false, node: undefined };
  }
}

function idOf(object: ApiObject): string {
  return `${resourceOf(object)} ${keyOf(object)}`;
}

function placesOf(objects: readonly ApiObject[]): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const { kind, metadata, ...rest } of objects) {
    const { spec, status } = rest as {
      spec?: { nodeName?: string; hostNetwork?: boolean };
      status?: { addresses?: { address: string }[]; podIPs?: { ip: string }[] };
    };
    if (kind === 'Node')
      for (const { address } of status?.addresses ?? []) places.set(address, { pod: false, node: metadata.name });
    if (kind !== 'Pod' || spec?.hostNetwork || spec?.nodeName === undefined) continue;
    for (const { ip } of status?.podIPs ?? []) places.set(ip, { pod: true, node: spec.nodeName });
  }
  return places;
}
