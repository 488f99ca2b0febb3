import { formatCidr } from '../../src/model/address.ts';
import { directions, type Direction, type Peer, type Policy, type PortMatch } from '../../src/model/policy.ts';
import type { LocalPod, Snapshot } from '../../src/model/snapshot.ts';

const mark = '0x10000';

/**
 * The same policies as a linear rule list, as in iptables, modelled on kube-router. One rule per pod jumps to the pod's chain. That chain
 * accepts established connections. Other packets pass the chain of each policy, which marks allowed packets, and the pod's chain drops
 * packets without the mark. Members of selectors are in sets. The list has one rule where iptables needs two, and no rules for logs,
 * bridges or the node itself.
 * @param addresses Addresses of the isolated pods, in the order of their rules.
 */
export function ruleList({ policies, groups, localPods }: Snapshot, addresses: readonly string[]): string {
  const podOf = new Map([...localPods.values()].flatMap((pod) => pod.addresses.map((address) => [address, pod])));
  const isolated = directions.flatMap((direction) =>
    addresses.flatMap((address) => {
      const pod = podOf.get(address)!;
      const own = policiesOf(pod, policies, direction);
      return own.length === 0 ? [] : [{ direction, address, own }];
    }),
  );
  const policyChains = [...policies.values()].flatMap((policy) =>
    directions.map((direction) => chain(policyChain(policy, direction), policyRules(policy, direction))),
  );
  const podChains = isolated.map(({ direction, address, own }) =>
    chain(podChain(address, direction), [
      'ct state established,related accept',
      ...own.map((policy) => `jump ${policyChain(policy, direction)}`),
      `meta mark & ${mark} == 0 drop`,
      'meta mark set meta mark & 0xfffeffff',
    ]),
  );
  const sets = [...groups.values()].map(({ id, members }) => {
    const all = [...members.values()].flatMap((member) => member.addresses);
    return `set ${groupSet(id)} { type ipv4_addr; elements = { ${all.join(', ')} }; }`;
  });
  const forward = chain('forward', [
    'type filter hook forward priority 0; policy accept',
    ...isolated.map(({ direction, address }) => {
      return `ip ${direction === 'ingress' ? 'daddr' : 'saddr'} ${address} jump ${podChain(address, direction)}`;
    }),
  ]);
  return `table ip postern {\n${[...sets, ...policyChains, ...podChains, forward].join('\n')}\n}\n`;
}

function policiesOf(pod: LocalPod, policies: ReadonlyMap<string, Policy>, direction: Direction): Policy[] {
  return pod.policies.map((id) => policies.get(id)!).filter((policy) => policy.isolates.has(direction));
}

function policyRules(policy: Policy, direction: Direction): string[] {
  const peerField = direction === 'ingress' ? 'ip saddr' : 'ip daddr';
  return policy.rules[direction].flatMap((rule) =>
    rule.peers.flatMap((peer) =>
      peerMatches(peer, peerField).flatMap((ofPeer) =>
        rule.ports.map((port) => `${ofPeer} ${portMatch(port)} meta mark set meta mark | ${mark} return`),
      ),
    ),
  );
}

function peerMatches(peer: Peer, field: string): string[] {
  switch (peer.kind) {
    case 'any':
      return [''];
    case 'pods':
      return [`${field} @${groupSet(peer.group)}`];
    case 'cidr':
      return peer.ranges.map((range) => `${field} ${formatCidr(range)}`);
  }
}

function portMatch(port: PortMatch): string {
  if (port.kind === 'any') return '';
  if (port.kind === 'named') throw new Error('a list of rules has no named ports');
  const { protocol, first, last } = port;
  return `${protocol.toLowerCase()} dport ${first === last ? first : `${first}-${last}`}`;
}

function groupSet(id: string): string {
  return `group-${id.replaceAll(/[^A-Za-z0-9]/g, '-')}`;
}

function policyChain({ id }: Policy, direction: Direction): string {
  return `${direction}-${id}`;
}

function podChain(address: string, direction: Direction): string {
  return `${direction}-${address}`;
}

function chain(name: string, rules: readonly string[]): string {
  return `chain ${name} {\n${rules.map((rule) => `  ${rule}\n`).join('')}}`;
}
