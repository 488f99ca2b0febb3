import type { ApiObject } from './api/object.ts';
import { isJsonObject, listAt, objectAt, textAt } from './api/object.ts';
import type { ResourceName } from './api/resources.ts';
import { families, familyOf } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { Protocol } from '../model/policy.ts';
import { serviceAddress } from './addressing.ts';
import type { ClusterApi } from './cluster-api.ts';
import { containerPorts, isTerminal, podAddresses } from './pod-spec.ts';
import type { ServiceEndpoint, ServicePort } from './service-rules.ts';

/** Allocates cluster IPs and node ports at creation, as the API server does. */
export class ServiceAllocator {
  readonly #families: readonly Family[];
  #addresses = 0;
  #nodePorts = 30000;

  /** The first family is the default of a Service without ipFamilies. */
  constructor(labFamilies: readonly Family[]) {
    this.#families = labFamilies;
  }

  admit(resource: ResourceName, object: ApiObject): void {
    if (resource !== 'services') return;
    const spec = objectAt(object, 'spec');
    if (!spec || spec['type'] === 'ExternalName' || spec['clusterIP'] === 'None') return;
    const wanted = this.#familiesOf(spec);
    spec['ipFamilies'] = wanted.map((family) => (family === 'ipv4' ? 'IPv4' : 'IPv6'));
    spec['ipFamilyPolicy'] ??= 'SingleStack';
    const index = 10 + this.#addresses++;
    const given = listAt(spec, 'clusterIPs');
    if (given.length === 0) {
      const first = textAt(spec, 'clusterIP');
      spec['clusterIPs'] = wanted.map((family) =>
        first && familyOf(first) === family ? first : serviceAddress(family, index),
      );
    }
    spec['clusterIP'] = listAt(spec, 'clusterIPs')[0];
    if (spec['type'] !== 'NodePort' && spec['type'] !== 'LoadBalancer') return;
    for (const port of listAt(spec, 'ports')) if (isJsonObject(port)) port['nodePort'] ??= this.#nodePorts++;
  }

  #familiesOf(spec: Record<string, unknown>): readonly Family[] {
    const named = listAt(spec, 'ipFamilies').map((each): Family => (each === 'IPv6' ? 'ipv6' : 'ipv4'));
    const policy = spec['ipFamilyPolicy'];
    const ordered = [...new Set([...named, ...this.#families])].filter((family) => this.#families.includes(family));
    return policy === 'PreferDualStack' || policy === 'RequireDualStack' ? ordered : ordered.slice(0, 1);
  }
}

/** Every port of every Service in every family, with the endpoints that are ready. */
export function servicePorts(cluster: Pick<ClusterApi, 'known'>): ServicePort[] {
  return cluster.known('services').flatMap((service) => {
    const pods = endpointPods(cluster, service);
    return families.flatMap((family) => {
      const address = listAt(service, 'spec', 'clusterIPs').find(
        (each): each is string => typeof each === 'string' && each !== 'None' && familyOf(each) === family,
      );
      if (address === undefined) return [];
      return listAt(service, 'spec', 'ports')
        .filter(isJsonObject)
        .map((port) => ({
          address,
          protocol: (textAt(port, 'protocol') ?? 'TCP') as Protocol,
          port: Number(port['port']),
          nodePort: port['nodePort'] === undefined ? undefined : Number(port['nodePort']),
          endpoints: pods.flatMap((pod) => endpointOf(pod, family, port)),
        }));
    });
  });
}

function endpointPods(cluster: Pick<ClusterApi, 'known'>, service: ApiObject): ApiObject[] {
  const selector = objectAt(service, 'spec', 'selector');
  // The endpoints of a Service without a selector come from other clients, which the lab does not have.
  if (!selector || Object.keys(selector).length === 0) return [];
  const pods = cluster.known('pods', service.metadata.namespace);
  return pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined &&
      !isTerminal(pod) &&
      Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
}

/** `undefined` if the pod has no address of the family, or declares no port with the name of targetPort. */
function endpointOf(pod: ApiObject, family: Family, port: Record<string, unknown>): ServiceEndpoint[] {
  const address = podAddresses(pod).find((each) => familyOf(each) === family);
  const target = port['targetPort'] ?? port['port'];
  const protocol = textAt(port, 'protocol') ?? 'TCP';
  const number =
    typeof target === 'number'
      ? target
      : containerPorts(pod).find((each) => each.name === target && each.protocol === protocol)?.port;
  return address === undefined || number === undefined ? [] : [{ address, port: number }];
}
