import { familyOf } from '../model/address.ts';
import type { Protocol } from '../model/policy.ts';

const servicesTable = 'postern-lab-services';

/** One port of a Service in one family, with its addresses and endpoints. */
export interface ServicePort {
  readonly address: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly endpoints: readonly ServiceEndpoint[];
}

export interface ServiceEndpoint {
  readonly address: string;
  readonly port: number;
}

/** Bit of the packet mark for "masquerade this connection", the same as in kube-proxy. */
const masqueradeMark = '0x4000';

/** A script for `nft -f -` that replaces a node's service table. */
export function renderServices(ports: readonly ServicePort[]): string {
  const served = ports.filter((port) => port.endpoints.length > 0);
  const chains = served.map((port, index) => ({ port, name: `service-${index}` }));
  const lines = [
    `table inet ${servicesTable};`,
    `delete table inet ${servicesTable};`,
    `table inet ${servicesTable} {`,
  ];
  for (const { port, name } of chains) {
    lines.push(`chain ${name} { ${balance(port)}; }`);
    if (port.nodePort) lines.push(`chain ${name}-node { meta mark set meta mark or ${masqueradeMark}; goto ${name}; }`);
  }
  for (const [family, ip] of [
    ['ipv4', 'ip'],
    ['ipv6', 'ip6'],
  ] as const) {
    const own = chains.filter(({ port }) => familyOf(port.address) === family);
    const addresses = new Set(own.flatMap(({ port }) => port.endpoints.map((endpoint) => endpoint.address)));
    lines.push(
      map(
        `clusterip-${ip}`,
        `typeof ${ip} daddr . meta l4proto . th dport : verdict`,
        own.map(({ port, name }) => `${port.address} . ${port.protocol.toLowerCase()} . ${port.port} : goto ${name}`),
      ),
      map(
        `nodeport-${ip}`,
        'typeof meta l4proto . th dport : verdict',
        own.flatMap(({ port, name }) =>
          port.nodePort ? [`${port.protocol.toLowerCase()} . ${port.nodePort} : goto ${name}-node`] : [],
        ),
      ),
      // Hairpin: a pod that reaches itself through a Service must see another source, or it would answer itself directly.
      set(
        `hairpin-${ip}`,
        `typeof ${ip} saddr . ${ip} daddr`,
        [...addresses].map((address) => `${address} . ${address}`),
      ),
    );
  }
  lines.push(
    'chain dispatch {',
    'ip daddr . meta l4proto . th dport vmap @clusterip-ip',
    'ip6 daddr . meta l4proto . th dport vmap @clusterip-ip6',
    'meta nfproto ipv4 fib daddr type local meta l4proto . th dport vmap @nodeport-ip',
    'meta nfproto ipv6 fib daddr type local meta l4proto . th dport vmap @nodeport-ip6',
    '}',
    'chain prerouting { type nat hook prerouting priority dstnat; jump dispatch; }',
    'chain output { type nat hook output priority dstnat; jump dispatch; }',
    'chain postrouting {',
    'type nat hook postrouting priority srcnat;',
    `meta mark & ${masqueradeMark} != 0 masquerade`,
    'ip saddr . ip daddr @hairpin-ip masquerade',
    'ip6 saddr . ip6 daddr @hairpin-ip6 masquerade',
    '}',
    '}',
    '',
  );
  return lines.join('\n');
}

function balance({ address, protocol, endpoints }: ServicePort): string {
  const targets = endpoints.map((endpoint) => `${endpoint.address} . ${endpoint.port}`);
  const keyword = familyOf(address) === 'ipv4' ? 'ip' : 'ip6';
  const elements = targets.map((target, index) => `${index} : ${target}`).join(', ');
  return `meta l4proto ${protocol.toLowerCase()} dnat ${keyword} to numgen random mod ${targets.length} map { ${elements} }`;
}

function map(name: string, type: string, elements: readonly string[]): string {
  return `map ${name} { ${type}; ${content(elements)} }`;
}

function set(name: string, type: string, elements: readonly string[]): string {
  return `set ${name} { ${type}; ${content(elements)} }`;
}

function content(elements: readonly string[]): string {
  return elements.length === 0 ? '' : `elements = { ${elements.join(', ')} };`;
}
