import type { FlowEnd } from '../../flows/kept-flow.ts';
import type { SeenEnd } from '../../flows/flow-fold.ts';
import { ownerLabels } from '../../flows/owner-labels.ts';
import { addressBits, familyOf, formatCidr, parseCidr } from '../../model/address.ts';
import type { Owners } from '../../model/owner.ts';

/** An end, as this node sees it. */
export interface NodeEnd extends SeenEnd {
  /** It is a pod of this node. */
  readonly isLocal: boolean;
  /** It is a socket of this node. */
  readonly isOwnNode: boolean;
}

interface Options {
  readonly node: string;
  readonly ownersOf: (address: string) => Owners;
  /** The addresses of this node's devices, canonical: also those that its Node object does not list. */
  readonly ownAddresses: ReadonlySet<string>;
}

/** The block that takes the place of an address outside when there are too many. */
const widerBits = { ipv4: 24, ipv6: 64 } as const;

const others: FlowEnd = { kind: 'others' };

/** Whose address it is now. An address that several pods claim belongs to none of them (S1.10). */
export function findEnd(address: string, { node, ownersOf, ownAddresses }: Options): NodeEnd {
  const { pods, nodes } = ownersOf(address);
  const [owner, ...claimants] = pods;
  if (claimants.length > 0) return { end: others, isLocal: false, isOwnNode: false };
  if (owner) {
    const { namespace, labels, nodeName } = owner.pod;
    const end: FlowEnd = { kind: 'workload', namespace, labels: ownerLabels(labels) };
    return { end, isLocal: nodeName === node, isOwnNode: false };
  }
  const isOwnNode = ownAddresses.has(address) || nodes.some(({ name }) => name === node);
  const [having] = nodes;
  if (having) return { end: { kind: 'node', name: having.name }, isLocal: false, isOwnNode };
  const block = (bits: number): FlowEnd => ({ kind: 'block', cidr: formatCidr(parseCidr(`${address}/${bits}`)!) });
  const family = familyOf(address);
  return { end: block(addressBits[family]), wider: block(widerBits[family]), isLocal: false, isOwnNode };
}
