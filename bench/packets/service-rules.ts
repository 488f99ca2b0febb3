export interface Service {
  readonly address: string;
  readonly endpoint: string;
  readonly port: number;
}

/** Bit of the packet mark for "masquerade this connection", as in kube-proxy. */
const masquerade = '0x4000';

/**
 * The rules of kube-proxy in its nftables mode: a verdict map of all Services, a chain for each Service, one for each endpoint, and a chain that
 * masquerades marked connections. Without NodePorts and load balancers.
 */
export function serviceRules(services: readonly Service[]): string {
  const chains = services.flatMap(({ endpoint, port }, i) => [
    `chain endpoint-${i} { ip saddr ${endpoint} meta mark set mark or ${masquerade}; meta l4proto tcp dnat to ${endpoint}:${port}; meta l4proto udp dnat to ${endpoint}:${port}; }`,
    `chain service-${i} { numgen random mod 1 vmap { 0 : goto endpoint-${i} }; }`,
  ]);
  const elements = services.flatMap(({ address, port }, i) =>
    ['tcp', 'udp'].map((protocol) => `${address} . ${protocol} . ${port} : goto service-${i}`),
  );
  return `table ip kube-proxy {
${chains.join('\n')}
map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { ${elements.join(', ')} }; }
chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
chain nat-output { type nat hook output priority dstnat; jump services; }
chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark & ${masquerade} == 0 return; meta mark set mark xor ${masquerade}; masquerade fully-random; }
}
`;
}
