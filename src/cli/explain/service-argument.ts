import { ConfigError } from '../../config/config-error.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import { listAt, numberAt, objectAt, textAt } from '../../lib/json.ts';
import type { JsonObject } from '../../lib/json.ts';
import { canonicalAddress } from '../../model/address.ts';
import type { Traffic } from './port-argument.ts';

const serviceForm = /^([^/]+)\/(?:svc|service)[:/]([^/]+)$/;

/** Whether TO may be a Service. If not, the command needs no right to list Services. */
export function mayBeService(to: string): boolean {
  return serviceForm.test(to) || to.startsWith('node/') || !to.includes('/');
}

/** The namespace and name of `shop/svc:api`. */
export function readServiceForm(to: string): { readonly namespace: string; readonly name: string } | undefined {
  const [, namespace, name] = serviceForm.exec(to) ?? [];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

/**
 * Throws a ConfigError if TO is a Service, by name or cluster address. Policies apply after the Service proxy (S6.1), so an answer for
 * that address would hold for no packet.
 */
export function refuseService(objects: readonly JsonObject[], to: string, port: string): void {
  const services = servicesOf(objects);
  const form = readServiceForm(to);
  const address = canonicalAddress(to);
  const service = services.find((each) =>
    form
      ? nameOf(each) === `${form.namespace}/${form.name}`
      : address !== undefined && clusterAddresses(each).includes(address),
  );
  if (!service && !form) return;
  const name = service ? nameOf(service) : `${form!.namespace}/${form!.name}`;
  if (!service && services.length > 0) {
    throw new ConfigError(`Service ${name} does not exist; known: ${services.slice(0, 8).map(nameOf).join(', ')}`);
  }
  const title = form ? `${to} is a Service` : `${to} is Service ${name}`;
  throw new ConfigError(
    `${title}; ${judgedBehind(service, objects)}. To try the Service: postern probe FROM ${name.replace('/', '/svc:')} ${port}`,
  );
}

/** As `refuseService`, for a TO that is a Service at this port only: a node port or a load balancer. */
export function refuseServicePort(
  objects: readonly JsonObject[],
  { nodeAddresses }: Cluster,
  to: string,
  { protocol, destinationPort }: Traffic,
): void {
  const address = canonicalAddress(to);
  const isNode = to.startsWith('node/') || (address !== undefined && nodeAddresses.has(address));
  if (destinationPort === undefined) return;
  const service = servicesOf(objects).find((each) => {
    const isOwn = address !== undefined && outerAddresses(each).includes(address);
    const numbers = listAt(each, 'spec', 'ports')
      .filter((port) => (textAt(port, 'protocol') ?? 'TCP') === protocol)
      .flatMap((port) => [isOwn && numberAt(port, 'port'), isNode && numberAt(port, 'nodePort')]);
    return numbers.includes(destinationPort);
  });
  if (!service) return;
  throw new ConfigError(
    `${protocol}/${destinationPort} of ${to} is Service ${nameOf(service)}; ${judgedBehind(service, objects)}`,
  );
}

function servicesOf(objects: readonly JsonObject[]): JsonObject[] {
  return objects.filter((each) => each['kind'] === 'Service');
}

function nameOf(service: JsonObject): string {
  return `${textAt(service, 'metadata', 'namespace')}/${textAt(service, 'metadata', 'name')}`;
}

function clusterAddresses(service: JsonObject): (string | undefined)[] {
  return listAt(service, 'spec', 'clusterIPs').map(readAddress);
}

/** Nodes can have these addresses too, for example on k3s. */
function outerAddresses(service: JsonObject): (string | undefined)[] {
  const balancers = listAt(service, 'status', 'loadBalancer', 'ingress').map((each) => textAt(each, 'ip'));
  return [...listAt(service, 'spec', 'externalIPs'), ...balancers].map(readAddress);
}

function readAddress(address: unknown): string | undefined {
  return typeof address === 'string' ? canonicalAddress(address) : undefined;
}

/** Names the pods behind the Service. */
function judgedBehind(service: JsonObject | undefined, objects: readonly JsonObject[]): string {
  const rule = "policies apply to the pod behind it and to that pod's own port";
  const selector = Object.entries(objectAt(service, 'spec', 'selector'));
  if (!service || selector.length === 0) return `${rule}: use one of its endpoints instead`;
  const pods = objects.filter(
    (each) =>
      each['kind'] === 'Pod' &&
      textAt(each, 'metadata', 'namespace') === textAt(service, 'metadata', 'namespace') &&
      selector.every(([key, value]) => objectAt(each, 'metadata', 'labels')[key] === value),
  );
  if (pods.length === 0) return `${rule}, and it selects no pod`;
  const more = pods.length > 3 ? ` or ${pods.length - 3} more` : '';
  return `${rule}: use ${pods.slice(0, 3).map(nameOf).join(' or ')}${more} instead`;
}
