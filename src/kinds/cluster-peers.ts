import { mergeRanges, parseCidr, type AddressRange } from '../model/address.ts';
import type { Direction, GroupId, GroupSelection, Peer } from '../model/policy.ts';
import type { Field } from './field.ts';
import { readStrictSelector } from './selector.ts';

/** A peer of a ClusterNetworkPolicy. */
export interface ClusterPeer {
  readonly peer: Peer;
  /** Pods by selector, which declare port names. */
  readonly isPods: boolean;
  readonly field: Field;
}

type Reader = (field: Field, addGroup: (selection: GroupSelection) => GroupId) => Peer | undefined;

const readers: Readonly<Record<string, Reader>> = {
  namespaces: readNamespaces,
  pods: readPods,
  networks: readNetworks,
  nodes: readNodes,
};

/** Fields that this version knows and does not support: a rule with one is one that it cannot read. */
const unsupported: Readonly<Record<string, string>> = {
  domainNames: 'Postern does not support domainNames yet',
};

const fieldsOf: Readonly<Record<Direction, readonly string[]>> = {
  ingress: ['namespaces', 'pods'],
  egress: ['namespaces', 'pods', 'networks', 'nodes'],
};

/** One entry of `from` or `to`; `undefined` if it cannot be read (S10.20). */
export function readClusterPeer(
  field: Field,
  direction: Direction,
  addGroup: (selection: GroupSelection) => GroupId,
): ClusterPeer | undefined {
  const known = fieldsOf[direction];
  const alien = Object.keys(unsupported).find((name) => !field.get(name).absent);
  if (alien !== undefined) {
    field.get(alien).report('invalid-peer', unsupported[alien]!);
    return undefined;
  }
  if (!field.hasOnly(known, 'invalid-peer')) return undefined;
  const given = known.filter((name) => !field.get(name).absent);
  if (given.length !== 1) {
    field.report('invalid-peer', `must have exactly one of ${known.join(', ')}`);
    return undefined;
  }
  const [name] = given as [string];
  const peer = readers[name]!(field.get(name), addGroup);
  return peer && { peer, isPods: name === 'namespaces' || name === 'pods', field };
}

function readNamespaces(field: Field, addGroup: (selection: GroupSelection) => GroupId): Peer | undefined {
  const { selector, complete } = readStrictSelector(field);
  if (!complete) return undefined;
  return { kind: 'pods', group: addGroup({ namespaces: { selector }, pods: [] }) };
}

/** A missing namespaceSelector is the empty one: all namespaces. */
function readPods(field: Field, addGroup: (selection: GroupSelection) => GroupId): Peer | undefined {
  if (!field.hasOnly(['namespaceSelector', 'podSelector'], 'invalid-peer')) return undefined;
  const namespaces = readStrictSelector(field.get('namespaceSelector'));
  const pods = readStrictSelector(field.get('podSelector'));
  if (!namespaces.complete || !pods.complete) return undefined;
  return { kind: 'pods', group: addGroup({ namespaces: { selector: namespaces.selector }, pods: pods.selector }) };
}

function readNodes(field: Field, addGroup: (selection: GroupSelection) => GroupId): Peer | undefined {
  const { selector, complete } = readStrictSelector(field);
  return complete ? { kind: 'pods', group: addGroup({ nodes: selector }) } : undefined;
}

function readNetworks(field: Field): Peer | undefined {
  const items = field.items();
  if (!items || items.length === 0) {
    field.report('invalid-cidr', 'must be a list of at least one CIDR');
    return undefined;
  }
  const ranges: AddressRange[] = [];
  for (const item of items) {
    const range = typeof item.value === 'string' ? parseCidr(item.value) : undefined;
    if (!range) {
      item.report('invalid-cidr', 'must be a CIDR such as 10.0.0.0/24 or fd00::/8');
      return undefined;
    }
    ranges.push(range);
  }
  return { kind: 'cidr', ranges: mergeRanges(ranges) };
}
