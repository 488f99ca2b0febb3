import type { Address, Family } from '../model/address.ts';
import type { PortProtocol } from './decision.ts';
import type { Labels } from './selector.ts';

export interface ContainerPort {
  readonly name: string;
  readonly protocol: PortProtocol;
  readonly port: number;
}

export interface Pod {
  /** `namespace/name` */
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly nodeName: string | undefined;
  readonly hostNetwork: boolean;
  readonly terminal: boolean;
  readonly terminating: boolean;
  readonly addresses: readonly Address[];
  /** What a named port can mean on this pod (S4.10). */
  readonly namedPorts: readonly ContainerPort[];
}

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly Address[];
}

/** One end of a flow: an address with its owner. */
export interface Party {
  /** `shop/web`, `node n1`, `10.0.0.1` */
  readonly name: string;
  readonly address: Address;
  /** The pod that owns the address (S1.9). */
  readonly pod: Pod | undefined;
  /** Pods that claim the address with equal right. None owns it, and it is isolated if one of them is (S1.10). */
  readonly claimants: readonly Pod[];
  /** The node, if the end is a socket of a node or a hostNetwork pod (S1.3, S5.2). */
  readonly node: string | undefined;
  /** Only part of the objects are given, and none of them has the address: the owner is unknown. */
  readonly isUnknown: boolean;
}

export function addressOf(owner: { readonly addresses: readonly Address[] }, family: Family): Address | undefined {
  return owner.addresses.find((address) => address.family === family);
}
