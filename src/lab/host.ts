import { listAt, textAt } from './api/object.ts';
import type { ApiObject } from './api/object.ts';
import { canonicalAddress } from '../model/address.ts';
import { protocols } from '../model/policy.ts';
import type { Protocol } from '../model/policy.ts';
import { findLabCidr } from './addressing.ts';
import { LabError } from './error.ts';
import type { ServedPort } from './pod-process.ts';

/** A machine outside the cluster, as the lab's input describes it; not part of the Kubernetes API. */
export interface Host {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly ports: readonly ServedPort[];
}

const hostApiVersion = 'lab.postern.dev/v1';

export function isHost(object: ApiObject): boolean {
  return object.apiVersion === hostApiVersion && object.kind === 'Host';
}

/** The Host object of the lab's input. */
export function hostObject({ name, addresses, ports }: Host): ApiObject {
  return { apiVersion: hostApiVersion, kind: 'Host', metadata: { name }, spec: { addresses, ports } };
}

/** Throws LabError `input` that names the invalid field. */
export function readHost(object: ApiObject): Host {
  const name = object.metadata?.name ?? '';
  const fail = (field: string, why: string): never => {
    throw new LabError('input', `Host ${JSON.stringify(name)}: ${field}: ${why}`);
  };
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) fail('metadata.name', 'must be a DNS label');
  const addresses = listAt(object, 'spec', 'addresses').map((text, index) => {
    const field = `spec.addresses[${index}]`;
    const address = canonicalAddress(String(text)) ?? fail(field, `${JSON.stringify(text)} is not an address`);
    const cidr = findLabCidr(address);
    return cidr === undefined ? address : fail(field, `${address} is in ${cidr}, which the lab uses itself`);
  });
  if (addresses.length === 0) fail('spec.addresses', 'must name at least one');
  const ports = listAt(object, 'spec', 'ports').map((entry, index): ServedPort => {
    const protocol = (textAt(entry, 'protocol') ?? 'TCP') as Protocol;
    const port = (entry as { port?: unknown } | null)?.port;
    if (!protocols.includes(protocol)) fail(`spec.ports[${index}].protocol`, 'must be TCP, UDP or SCTP');
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) {
      return fail(`spec.ports[${index}].port`, 'must be 1 to 65535');
    }
    return { protocol, port };
  });
  return { name, addresses, ports };
}
