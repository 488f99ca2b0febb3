/** Reserved words of nft 1.1.3, found by trying each word as the name of a set and of a chain. */
const reserved: ReadonlySet<string> = new Set(
  `accept add ah all and arp auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct day dccp define
  delete describe destroy device devices dnat drop dst dup dynamic ecn element elements eq esp ether exists expires export exthdr
  fib flags flow flowtable flush frag fwd gc-interval ge geneve get goto gre gretap gt handle hbh hook hour ibriport ibrname icmp
  icmpv6 igmp iif iifgroup iifname iiftype import include index inet insert interval ip ip6 ipsec jhash jump le limit list log lt
  map mark masquerade meta meter mh missing monitor ne netdev nftrace not notrack numgen obriport obrname offload oif oifgroup
  oifname oiftype or osf pkttype policy position priority queue quota random redefine redirect reject rename replace reset return
  rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid skuid snat socket srh symhash synproxy table tcp th time timeout
  tproxy type typeof udp udplite undefine update vlan vmap vni vxlan xor xt`.split(/\s+/),
);

/** The kernel's limit, without the terminating zero (NFT_NAME_MAXLEN; K31). */
const maximumLength = 255;

/** Whether nft accepts the text as the name of a set, map or chain. */
export function isName(text: string): boolean {
  return text.length <= maximumLength && /^(?:[A-Za-z_.][A-Za-z0-9_./-]+|[A-Za-z_])$/.test(text) && !reserved.has(text);
}
