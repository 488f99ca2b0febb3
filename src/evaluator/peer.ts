import { containsAddress, formatAddress, parseCidr } from '../model/address.ts';
import type { AddressRange } from '../model/address.ts';
import type { Node, Party } from './party.ts';
import { missOfBroken, readFields, readList, reportBroken, show } from './reading.ts';
import type { Broken, Miss, Report } from './reading.ts';
import { readSelector, readStrictSelector, selects, unmetRequirements } from './selector.ts';
import type { Labels, Selector } from './selector.ts';

/** One entry of `from` or `to`. */
export type Peer =
  | {
      readonly kind: 'pods';
      readonly path: string;
      /** None: the policy's own namespace (S3.1). */
      readonly namespaces: Selector | undefined;
      readonly pods: Selector;
    }
  | {
      readonly kind: 'block';
      readonly path: string;
      readonly cidr: Block;
      readonly except: readonly Block[];
    }
  | {
      readonly kind: 'nodes';
      readonly path: string;
      readonly nodes: Selector;
    }
  | Broken;

interface Block {
  readonly text: string;
  readonly range: AddressRange;
}

/** Context of a peer: the policy's namespace, and the labels of namespaces that exist (S3.4). */
export interface PeerScope {
  readonly namespace: string;
  readonly namespaceLabels: ReadonlyMap<string, Labels>;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Address as text -> the nodes that have it in their status. */
  readonly nodesAt: ReadonlyMap<string, readonly { readonly node: Node }[]>;
}

export function readPeer(raw: unknown, path: string, report: Report): Peer {
  const element = readFields(raw, ['podSelector', 'namespaceSelector', 'ipBlock'], path, report, 'invalid-peer');
  if (element.kind === 'broken') return element;
  const podSelector = element.fields['podSelector'] ?? undefined;
  const namespaceSelector = element.fields['namespaceSelector'] ?? undefined;
  const ipBlock = element.fields['ipBlock'] ?? undefined;
  const selector = podSelector !== undefined || namespaceSelector !== undefined;
  if (ipBlock !== undefined) {
    if (selector) return reportBroken(report, 'invalid-peer', path, 'ipBlock together with a selector');
    return readBlockPeer(ipBlock, path, report);
  }
  if (!selector) return reportBroken(report, 'invalid-peer', path, 'no podSelector, namespaceSelector or ipBlock');
  const pods = readSelector(podSelector, `${path}.podSelector`, report);
  const namespaces =
    namespaceSelector === undefined ? undefined : readSelector(namespaceSelector, `${path}.namespaceSelector`, report);
  return pods.broken ?? namespaces?.broken ?? { kind: 'pods', path, namespaces, pods };
}

/** A peer of a ClusterNetworkPolicy that selects pods: of all namespaces, if it has no selector of them. */
export function readPeerOfPods(
  namespaceSelector: unknown,
  podSelector: unknown,
  paths: { readonly path: string; readonly namespaces: string; readonly pods: string },
  report: Report,
): Peer {
  const namespaces = readStrictSelector(namespaceSelector, paths.namespaces, report);
  const pods = readStrictSelector(podSelector, paths.pods, report);
  return namespaces.broken ?? pods.broken ?? { kind: 'pods', path: paths.path, namespaces, pods };
}

/** `networks` of a ClusterNetworkPolicy: one block each. If one cannot be read, none counts. */
export function readNetworks(raw: unknown, path: string, report: Report): readonly Peer[] {
  const list = readList(raw);
  if (!list || list.length === 0)
    return [reportBroken(report, 'invalid-cidr', path, 'expected a list of at least one CIDR')];
  const peers = list.map((each, index): Peer => {
    const cidr = readBlock(each);
    const at = `${path}[${index}]`;
    return cidr
      ? { kind: 'block', path: at, cidr, except: [] }
      : reportBroken(report, 'invalid-cidr', at, `${show(each)} is no CIDR`);
  });
  const broken = peers.find(({ kind }) => kind === 'broken');
  return broken ? [broken] : peers;
}

export function readPeerOfNodes(raw: unknown, path: string, report: Report): Peer {
  const nodes = readStrictSelector(raw, path, report);
  return nodes.broken ?? { kind: 'nodes', path, nodes };
}

/** `undefined` if the peer matches. */
export function missOfPeer(peer: Peer, other: Party, scope: PeerScope): Miss | undefined {
  switch (peer.kind) {
    case 'broken':
      return missOfBroken(peer);
    case 'block':
      return missOfBlock(peer, other);
    case 'pods':
      return missOfPods(peer, other, scope);
    case 'nodes':
      return missOfNodes(peer, other, scope);
  }
}

/** S10.13: an address matches if a node with these labels has it in its status. */
function missOfNodes(
  { nodes, path }: Extract<Peer, { kind: 'nodes' }>,
  other: Party,
  scope: PeerScope,
): Miss | undefined {
  const address = formatAddress(other.address.family, other.address.value);
  const owners = scope.nodesAt.get(address) ?? [];
  if (owners.some(({ node }) => selects(nodes, node.labels))) return undefined;
  const [first] = owners;
  if (!first) return { distance: 3, path, text: `${address} is no address of a node` };
  const unmet = unmetRequirements(nodes, first.node.labels, `node ${first.node.name}`);
  return { distance: unmet.length - 1, path: unmet[0]!.path, text: unmet.map(({ text }) => text).join(', and ') };
}

function readBlockPeer(raw: unknown, peerPath: string, report: Report): Peer {
  const path = `${peerPath}.ipBlock`;
  const element = readFields(raw, ['cidr', 'except'], path, report, 'invalid-peer');
  if (element.kind === 'broken') return element;
  const cidr = readBlock(element.fields['cidr']);
  if (!cidr) return reportBroken(report, 'invalid-cidr', `${path}.cidr`, `${show(element.fields['cidr'])} is no CIDR`);
  const excepts = readList(element.fields['except']);
  if (!excepts) return reportBroken(report, 'invalid-except', `${path}.except`, 'expected a list');
  const except: Block[] = [];
  for (const [index, each] of excepts.entries()) {
    const block = readBlock(each);
    if (!block) return reportBroken(report, 'invalid-except', `${path}.except[${index}]`, `${show(each)} is no CIDR`);
    except.push(block);
  }
  return { kind: 'block', path, cidr, except };
}

function readBlock(raw: unknown): Block | undefined {
  const range = typeof raw === 'string' ? parseCidr(raw) : undefined;
  return range && { text: String(raw), range };
}

/** S3.7, S3.8: an ipBlock matches addresses, also those of pods and nodes. `except` subtracts from its own block only. */
function missOfBlock(peer: Extract<Peer, { kind: 'block' }>, other: Party): Miss | undefined {
  const address = formatAddress(other.address.family, other.address.value);
  if (!containsAddress(peer.cidr.range, other.address)) {
    return { distance: 2, path: `${peer.path}.cidr`, text: `${address} is not in ${peer.cidr.text}` };
  }
  const index = peer.except.findIndex((each) => containsAddress(each.range, other.address));
  if (index < 0) return undefined;
  const text = `${address} is excepted from ${peer.cidr.text} by ${peer.except[index]!.text}`;
  return { distance: 0, path: `${peer.path}.except[${index}]`, text };
}

/** S3.1, S3.2, S3.6: selectors match only the pod that owns the address. */
function missOfPods(peer: Extract<Peer, { kind: 'pods' }>, other: Party, scope: PeerScope): Miss | undefined {
  const { pod } = other;
  const { namespaces, path } = peer;
  if (other.isUnknown) {
    const text = namespaces
      ? `it selects pods by namespace, and ${other.name} may not be one of them`
      : `without a namespaceSelector only pods of namespace ${scope.namespace} match, and none of them owns ${other.name}`;
    return { distance: 3, path, text };
  }
  if (!pod) return { distance: 3, path, text: `selectors match pods only, and ${notAPod(other)}` };
  if (!namespaces && pod.namespace !== scope.namespace) {
    const text = `without a namespaceSelector only pods of namespace ${scope.namespace} match, not ${pod.key}`;
    return { distance: 1, path: `${path}.podSelector`, text };
  }
  const labels = scope.namespaceLabels.get(pod.namespace);
  if (namespaces && !labels) {
    const text = `namespace ${pod.namespace} is not known, so no namespaceSelector matches it`;
    return { distance: 1, path: `${path}.namespaceSelector`, text };
  }
  if ((!namespaces || selects(namespaces, labels!)) && selects(peer.pods, pod.labels)) return undefined;
  const unmet = [
    ...(namespaces ? unmetRequirements(namespaces, labels!, `namespace ${pod.namespace}`) : []),
    ...unmetRequirements(peer.pods, pod.labels, pod.key),
  ];
  return { distance: unmet.length - 1, path: unmet[0]!.path, text: unmet.map(({ text }) => text).join(', and ') };
}

function notAPod(other: Party): string {
  if (other.claimants.length > 0) return `several pods claim ${other.name}`;
  return other.node === undefined ? `${other.name} is not a pod` : `${other.name} is on the host network`;
}
