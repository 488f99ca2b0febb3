import { nameCache } from '../../support/fault-programs.ts';
import { clusterPolicy, policy } from '../policies.ts';
import type { Walk } from './walk.ts';

type Fault = Pick<Walk, 'make' | 'cause' | 'recorded'>;

/** Of a row that asks the doctor, and names the check. */
export function doctorWalk(symptom: string, check: string, fault: Fault, of = ''): Walk {
  return { symptom, ask: `\`postern doctor${of}\``, says: `\`${check}\``, exitCode: 1, ...fault };
}

const nothing = 'A policy does nothing';
const web = { pod: 'web' };
const chain = (hook: string, rule: string): string => `chain c { type ${hook}; ${rule} ; }`;

/** Faults of the way that packets take through a node. */
export const doctorWalks: readonly Walk[] = [
  doctorWalk('Names do not resolve in a pod', 'node-local-dns', {
    make: async (at) => {
      await at.apply(policy('shop', 'web', { pods: web, egress: [] }));
      const device = 'nodelocaldns';
      await at.make(
        'n1',
        `ip link add ${device} type ifb; ip address add 169.254.20.10/32 dev ${device}; ip link set ${device} up`,
        `ip link del ${device}`,
      );
      await at.start('n1', nameCache);
    },
    cause:
      /on n1: warning: DNS at 169\.254\.20\.10 \(node-local-dns\)\n[^]*\n +policies shop\/web\n +pods +shop\/web\n/,
  }),
  doctorWalk('A cluster-wide rule denies a connection', 'equal-priority', {
    make: (at) =>
      at.apply(
        clusterPolicy('a', { ingress: [{ action: 'Accept', from: [{ namespaces: {} }] }] }),
        clusterPolicy('b', { ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] }),
      ),
    cause: /warning: ClusterNetworkPolicy a and ClusterNetworkPolicy b \(equal-priority\)\n/,
  }),
  doctorWalk('A cluster-wide rule denies a connection', 'selects-no-pod', {
    make: (at) => at.apply(clusterPolicy('guard', { subject: { namespaces: { matchLabels: { no: 'such' } } } })),
    cause: /warning: ClusterNetworkPolicy guard \(selects-no-pod\)\n/,
  }),
  doctorWalk('Throughput is low, or everything is slow', 'conntrack-full', {
    make: async (at) => {
      // The maximum is the whole machine's: another is put in its place, for the doctor alone.
      const names = ['count', 'max'].map((each) => `/proc/sys/net/netfilter/nf_conntrack_${each}`);
      const add = 'conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --dport 9 -t 300 --sport';
      await at.make(
        'n1',
        `for i in $(seq 300); do ${add} $i >/dev/null 2>&1; done`,
        'conntrack -D -s 192.0.2.1 >/dev/null 2>&1',
      );
      const max = `${at.folder}/max`;
      at.contain('n1', { mount: `echo $(($(cat ${names[0]}) * 100 / 86)) > ${max}; mount --bind ${max} ${names[1]}` });
    },
    cause: /on n1: warning: .*\(conntrack-full\)\n +wrong +\d+ of \d+ entries are in use \(8\d %\)\n/,
  }),
  doctorWalk('Throughput is low, or everything is slow', 'foreign-queue', {
    make: (at) =>
      at.make(
        'n1',
        'iptables-nft -A FORWARD -j NFQUEUE --queue-num 7',
        'iptables-nft -D FORWARD -j NFQUEUE --queue-num 7',
      ),
    cause: /on n1: warning: table ip filter \(foreign-queue\)\n +wrong +chain FORWARD \(forward, priority 0\)/,
  }),
  doctorWalk('A Service is reached by some clients only', 'service-proxy', {
    make: (at) =>
      at.make(
        'n1',
        'ip link add kube-ipvs0 type ifb; ip address add 10.96.0.1/32 dev kube-ipvs0',
        'ip link del kube-ipvs0',
      ),
    cause: /on n1: error: .*\(service-proxy\)\n +wrong +kube-proxy's IPVS mode \(device kube-ipvs0\)/,
  }),
  doctorWalk('An ipBlock does not match, or matches too much', 'masquerade', {
    make: (at) =>
      at.addTable(
        'n1',
        chain('nat hook postrouting priority srcnat', 'ip saddr 10.244.1.0/24 ip daddr != 10.244.1.0/24 masquerade'),
      ),
    cause: /on n1: error: table inet theirs \(masquerade\)\n +wrong +chain c \(postrouting, .*masquerade/,
  }),
  doctorWalk(nothing, 'bridge-netfilter', {
    make: async (at) => {
      const set = (value: number): string => `echo ${value} > /proc/sys/net/bridge/bridge-nf-call-iptables`;
      await at.apply(policy('shop', 'web', { pods: web, ingress: [] }));
      await at.make('n1', set(0), set(1));
    },
    cause:
      /on n1: error: bridge cni0 \(bridge-netfilter\)\n +wrong +IPv4 between pods on bridge cni0 bypasses all policies: .*\n +policies shop\/web\n/s,
  }),
  doctorWalk(nothing, 'foreign-divert', {
    make: async (at) => {
      await at.apply(policy('shop', 'api', { pods: { pod: 'api' }, ingress: [] }));
      const rule = `ip saddr ${at.address('shop/web', 'ipv4')} dnat ip to 192.0.2.7`;
      await at.addTable('n1', chain('nat hook prerouting priority dstnat', rule));
    },
    cause: /on n1: error: table inet theirs \(foreign-divert\)\n +wrong +chain c \(prerouting, .*dnat/,
  }),
  doctorWalk(nothing, 'other-engine', {
    make: (at) => at.make('n1', 'iptables-nft -N cali-FORWARD', 'iptables-nft -X cali-FORWARD'),
    cause: /on n1: warning: .*\(other-engine\)\n +wrong +Calico has rules here, for example in chain cali-FORWARD\n/,
  }),
];
