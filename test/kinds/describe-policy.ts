import { networkPolicyKind } from '../../src/kinds/network-policy.ts';
import { formatAddress } from '../../src/model/address.ts';
import {
  directions,
  type Peer,
  type PortMatch,
  type GroupSelection,
  type Selection,
  type Selector,
} from '../../src/model/policy.ts';
import type { Policy, PolicyRule } from '../../src/model/policy.ts';

/** A parsed policy in words, so that a table of cases can be read. */
export interface Description {
  /** `any` or `x[app In a]` (namespace by name) or `{tier In b}[…]` (by label) or ranges of addresses; then ports. One text a rule. */
  readonly ingress: readonly string[] | 'not isolated';
  readonly egress: readonly string[] | 'not isolated';
  /** `path: code, effect` */
  readonly issues: readonly string[];
}

/** What policy x/p with this spec means. */
export function describeSpec(spec: unknown): Description {
  const { policy, issues } = networkPolicyKind.parse({ metadata: { namespace: 'x', name: 'p' }, spec });
  const [ingress, egress] = directions.map((direction) =>
    policy.isolates.has(direction)
      ? policy.rules[direction].map(({ peers, ports }) => {
          const peerTexts = peers.map((peer) => describePeer(peer, policy)).join(' or ');
          return `${peerTexts || 'nobody'} : ${ports.map(describePort).join(' or ') || 'no port'}`;
        })
      : ('not isolated' as const),
  ) as [Description['ingress'], Description['egress']];
  return { ingress, egress, issues: issues.map(({ path, code, effect }) => `${path}: ${code}, ${effect}`) };
}

/** A group of pods as `describeSelection` has it, or `nodes[tier In b]`. */
export function describeGroup(selection: GroupSelection): string {
  if ('unplaced' in selection) return 'unplaced';
  return 'nodes' in selection ? `nodes[${describeSelector(selection.nodes)}]` : describeSelection(selection);
}

/** `Deny {env In a}[] or nodes[] : TCP/80 or any` */
export function describePolicyRule({ action, peers, ports }: PolicyRule, policy: Policy): string {
  const whom = peers.map((peer) => describePeer(peer, policy)).join(' or ');
  return `${action} ${whom || 'nobody'} : ${ports.map(describePort).join(' or ') || 'no port'}`;
}

export function describeSelection({ namespaces, pods, declares }: Selection): string {
  return `${describeNamespaces(namespaces)}[${describeSelector(pods)}]${declares ? ` ${declares.protocol}/${declares.name}` : ''}`;
}

function describeNamespaces(namespaces: Selection['namespaces']): string {
  if (namespaces === 'all') return 'all';
  return 'name' in namespaces ? namespaces.name : `{${describeSelector(namespaces.selector)}}`;
}

function describeSelector(selector: Selector): string {
  return selector.map(({ key, operator, values }) => [key, operator, ...values].join(' ')).join(', ');
}

function describePeer(peer: Peer, policy: Policy): string {
  switch (peer.kind) {
    case 'any':
      return 'any';
    case 'pods':
      return describeGroup(policy.groups.get(peer.group)!);
    case 'cidr': {
      const ranges = peer.ranges.map(
        ({ family, first, last }) => `${formatAddress(family, first)}-${formatAddress(family, last)}`,
      );
      return ranges.join(' and ') || 'no address';
    }
  }
}

function describePort(port: PortMatch): string {
  switch (port.kind) {
    case 'any':
      return 'any';
    case 'range':
      return `${port.protocol}/${port.first === port.last ? port.first : `${port.first}-${port.last}`}`;
    case 'named':
      return `${port.protocol}/${port.name}`;
  }
}
