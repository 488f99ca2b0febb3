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
  readonly addresses: readonly Address[];
}

/** One end of a flow as the policies see it: an address, and who is behind it. */
export interface Party {
  /** For people: `shop/web`, `node n1`, `10.0.0.1`. */
  readonly name: string;
  readonly address: Address;
  /** The pod that owns the address (S1.9). */
  readonly pod: Pod | undefined;
  /** Pods that claim the address with equal right: it is nobody's, and isolated as any of them is (S1.10). */
  readonly claimants: readonly Pod[];
  /** The node whose own network this is: its sockets and its hostNetwork pods (S1.3, S5.2). */
  readonly node: string | undefined;
  /** The cluster shows only a part of its objects, and none of those has the address: who has it is not known. */
  readonly isUnseen: boolean;
}

export function addressOf(owner: { readonly addresses: readonly Address[] }, family: Family): Address | undefined {
  return owner.addresses.find((address) => address.family === family);
}
