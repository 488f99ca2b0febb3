import { formatCidr } from '../../src/model/address.ts';
import type { Policy, PolicyRule, PortMatch } from '../../src/model/policy.ts';
import { matchesSelector } from '../../src/model/selection.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { clusterObjects, localPods, type LocalPod, type RawObject } from '../packets/policies.ts';
import { compileNode, policiesAlone } from '../packets/rule-sets.ts';

/** Another policy engine. We write its chain structure for our policies ourselves, from its published source; its program does not run. */
export interface Peer {
  readonly name: string;
  /** What the generator follows. It is the header of the script too. */
  readonly source: string;
  readonly ruleSet: (node: PeerNode) => string;
}

/** IPv4 only, and without `except` and named ports, which the policies of the packet benches do not have. */
export interface PeerNode {
  readonly snapshot: Snapshot;
  /** In the order of their rules. */
  readonly pods: readonly LocalPod[];
  /** Addresses of all pods of the cluster that the policy selects. */
  selectedBy(policy: Policy): readonly string[];
}

/** The node of the packet benches with these policies. */
export function peerNode(policies: readonly RawObject[]): PeerNode {
  const { snapshot } = compileNode(policies, policiesAlone, 'routed');
  const all = clusterObjects().filter(({ kind }) => kind === 'Pod');
  return {
    snapshot,
    pods: localPods(),
    selectedBy({ appliesTo: { namespaces, pods } }) {
      return all.flatMap(({ metadata: { namespace, labels }, status }) => {
        const isHere = typeof namespaces === 'object' && 'name' in namespaces && namespaces.name === namespace;
        if (!isHere || !matchesSelector(pods, labels as Record<string, string>)) return [];
        return (status as { podIPs: { ip: string }[] }).podIPs.map(({ ip }) => ip);
      });
    },
  };
}

/** The script for an empty kernel, as one transaction. */
export function scriptOf({ source, ruleSet }: Peer, node: PeerNode): string {
  return `# ${source}\n${ruleSet(node)}`;
}

export function policiesOf({ snapshot }: PeerNode, { address }: LocalPod): Policy[] {
  const pod = [...snapshot.localPods.values()].find(({ addresses }) => addresses.includes(address));
  return pod!.policies.map((id) => snapshot.policies.get(id)!);
}

export function addressesOf({ snapshot }: PeerNode, group: string): string[] {
  return [...snapshot.groups.get(group)!.members.values()].flatMap(({ addresses }) => addresses);
}

export function cidrsOf({ peers }: PolicyRule): string[] {
  return peers.flatMap((peer) => (peer.kind === 'cidr' ? peer.ranges.map(formatCidr) : []));
}

export function portText(port: PortMatch & { readonly kind: 'range' }): string {
  return port.first === port.last ? `${port.first}` : `${port.first}-${port.last}`;
}

export function unsupported(port: PortMatch): never {
  throw new Error(`the peers' rule sets have no ${port.kind} ports`);
}

export function chain(name: string, rules: readonly string[]): string {
  return `chain ${name} {\n${rules.map((rule) => `  ${rule}\n`).join('')}}`;
}

export function addressSet(name: string, addresses: Iterable<string>, flags = ''): string {
  const list = [...new Set(addresses)].join(', ');
  return `set ${name} { type ipv4_addr; ${flags}${list && `elements = { ${list} };`} }`;
}

/** A name of nft objects: letters, digits, dots and dashes. */
export function nameOf(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9.]/g, '-');
}
