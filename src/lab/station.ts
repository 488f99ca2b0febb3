import type { Endpoint } from '../evaluator/decision.ts';
import { familyOf } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { PodProcess, ServedPort } from './pod-process.ts';

/** Whoever can send probes and answer them: a pod, a host outside, a node. */
export interface Station {
  /** `namespace/name`, `host/NAME` or `node/NAME`; what its process answers with. */
  readonly key: string;
  /** The same for the evaluator. A host is one for each of its addresses. */
  readonly endpoint: (family: Family) => Endpoint;
  readonly addresses: readonly string[];
  readonly ports: readonly ServedPort[];
  readonly process: PodProcess;
}

/** The first address of the family, which is the one that probes leave from and go to. */
export function stationAddress({ addresses }: Station, family: Family): string | undefined {
  return addresses.find((address) => familyOf(address) === family);
}
