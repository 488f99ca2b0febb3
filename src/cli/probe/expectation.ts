import type { Verdict } from '../../evaluator/decision.ts';
import { evaluate, resolveEndpoint } from '../../evaluator/evaluator.ts';
import { listAt, objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { ApiObject } from '../../lab/api/object.ts';
import type { ServiceEndpoint, ServicePort } from '../../lab/service-rules.ts';
import { servicePorts } from '../../lab/services.ts';
import { familyOf } from '../../model/address.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import { isLoopback } from '../explain/end-argument.ts';
import type { End } from '../explain/end-argument.ts';
import type { SocketProtocol } from '../connect/attempt.ts';
import { reasonsOf } from './reasons.ts';

/** The verdict of the policies for one address. */
export interface Expected {
  /** `mixed`: depends on the endpoint that the Service proxy picks. `unknown`: the endpoints are not known. */
  readonly verdict: Verdict | 'mixed' | 'unknown';
  readonly reasons: readonly string[];
  /** Nodes that enforce policies on the packets, the node of FROM first. */
  readonly nodes: readonly string[];
}

/** Policies apply after the Service proxy (S6.1), so each endpoint that the proxy may pick is evaluated. */
export class Expectations {
  readonly #source: ClusterSource;
  readonly #from: End;
  readonly #services: readonly ServicePort[];

  constructor(source: ClusterSource, from: End) {
    this.#source = source;
    this.#from = from;
    this.#services = servicePorts({ known: (resource) => this.#readable(resource === 'services' ? 'Service' : 'Pod') });
  }

  at(address: string, protocol: SocketProtocol, port: number): Expected {
    const { cluster } = this.#source;
    if (isLoopback(address)) {
      const reason = `${address}: loopback traffic never leaves ${this.#from.name}, so no policy applies`;
      return { verdict: 'allowed', reasons: [reason], nodes: [] };
    }
    const own = this.#services.filter((each) => each.address === address);
    if (own.length > 0) {
      const served = own.find((each) => each.protocol === protocol && each.port === port);
      if (served && !this.#selectsPods(address)) {
        return unknown('the Service has no selector, so its endpoints are unknown here: name one of them');
      }
      return served
        ? this.#behind(served.endpoints, protocol)
        : unknown(`the Service at ${address} has no port ${protocol}/${port}`);
    }
    const isNodePort = this.#services.some((each) => each.nodePort === port && each.protocol === protocol);
    if (isNodePort && cluster.nodeAddresses.has(address)) {
      return unknown(`${protocol}/${port} is the node port of a Service: name the Service instead`);
    }
    return this.#judge({ address, port }, protocol);
  }

  /** A Service without a selector has endpoints that another client writes, for example `default/kubernetes`. */
  #selectsPods(address: string): boolean {
    const service = this.#readable('Service').find((each) => listAt(each, 'spec', 'clusterIPs').includes(address));
    return Object.keys(objectAt(service, 'spec', 'selector')).length > 0;
  }

  #behind(endpoints: readonly ServiceEndpoint[], protocol: SocketProtocol): Expected {
    if (endpoints.length === 0) {
      return unknown('the Service has no ready endpoint, so there is no connection to evaluate');
    }
    const each = endpoints.map((endpoint) => this.#judge(endpoint, protocol, true));
    const verdicts = new Set(each.map(({ verdict }) => verdict));
    const verdict = verdicts.size === 1 ? each[0]!.verdict : 'mixed';
    return {
      verdict,
      reasons: [...new Set(each.flatMap(({ reasons }) => reasons))],
      nodes: [...new Set(each.flatMap(({ nodes }) => nodes))],
    };
  }

  /** @param throughService A pod that is an endpoint of its own Service meets ClusterNetworkPolicies on the way back (S10.18). */
  #judge({ address, port }: ServiceEndpoint, protocol: SocketProtocol, throughService = false): Expected {
    const { cluster } = this.#source;
    const family = familyOf(address);
    const source = this.#from.endpoints.get(family);
    if (!source) return unknown(`${this.#from.name} has no ${family} address`);
    const destination = { address };
    const back = throughService ? { throughService } : {};
    const decision = evaluate(cluster, { source, destination, protocol, destinationPort: port, family, ...back });
    const parties = [source, destination].map((endpoint) => resolveEndpoint(cluster, endpoint, family));
    const nodes = parties.flatMap((party) =>
      typeof party === 'string' ? [] : (party.pod?.nodeName ?? party.node ?? []),
    );
    const to = typeof parties[1] === 'string' ? address : parties[1]!.name;
    return { verdict: decision.verdict, reasons: reasonsOf(decision, this.#from.name, to), nodes: [...new Set(nodes)] };
  }

  /** Leaves out pods that are not ready: they are not endpoints. */
  #readable(kind: string): ApiObject[] {
    const objects = this.#source.objects.filter((object) => object['kind'] === kind && !isUnready(object));
    // Only `metadata` is needed of the type ApiObject here.
    return objects.filter((object) => Object.keys(objectAt(object, 'metadata')).length > 0) as unknown as ApiObject[];
  }
}

function unknown(reason: string): Expected {
  return { verdict: 'unknown', reasons: [reason], nodes: [] };
}

function isUnready(object: JsonObject): boolean {
  return listAt(object, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'False',
  );
}
