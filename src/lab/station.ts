import type { Endpoint } from '../evaluator/decision.ts';
import { familyOf } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { PodProcess, ServedPort } from './pod-process.ts';

/** A pod, outside host or node that can send and answer probes. */
export interface Station {
  /** `namespace/name`, `host/NAME` or `node/NAME`; the identity in its answers. */
  readonly key: string;
  /** The station for the evaluator. A host has one endpoint per address. */
  readonly endpoint: (family: Family) => Endpoint;
  readonly addresses: readonly string[];
  readonly ports: readonly ServedPort[];
  readonly process: PodProcess;
}

/** The first address of the family, which is the source and destination of probes. */
export function stationAddress({ addresses }: Station, family: Family): string | undefined {
  return addresses.find((address) => familyOf(address) === family);
}
