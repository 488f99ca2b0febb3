import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readNetwork } from '../../src/lab/config-list.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { nameLab } from '../support/lab-name.ts';
import type { Question } from '../support/questions.ts';
import { readMetric } from './agent-pages.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { policy } from './policies.ts';

const deny = policy('x', 'deny', { ingress: [], egress: [] });
const passing: readonly Question[] = [
  { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'x/p', to: 'peers/far', port: 'UDP/53', answer: 'peers/far' },
];
const denied: readonly Question[] = [
  { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
  { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
  { from: 'x/p', to: 'peers/far', port: 'UDP/53', answer: 'EPERM' },
];

/** What a pod with NET_ADMIN or NET_RAW does in its own network namespace. */
interface Attack {
  readonly name: string;
  readonly make: string;
  readonly undo: string;
  readonly through: (cluster: Cluster) => Promise<void>;
  readonly held: (cluster: Cluster) => Promise<void>;
}

const asks = (questions: readonly Question[]) => (cluster: Cluster) => cluster.expect(questions);
const byPolicies = { through: asks(passing), held: asks(denied) };
const second = '10.244.1.77';
const asksSecond = (answer: string) => asks([{ from: 'peers/near', to: second, port: 'TCP/80', answer }]);

const renames: Attack = {
  name: 'gives its device the name of loopback',
  make: 'ip link set lo name other && ip link set eth0 name lo',
  undo: 'ip link set lo name eth0 && ip link set other name lo',
  ...byPolicies,
};
const changesMac: Attack = {
  name: 'changes its MAC address',
  // It announces the new one, or the neighbours would send to the old one for a while.
  make: [
    'sysctl -qw net.ipv4.conf.eth0.arp_notify=1 net.ipv6.conf.eth0.ndisc_notify=1',
    'ip link set eth0 address 02:00:00:00:00:77',
  ].join(' && '),
  undo: 'true',
  ...byPolicies,
};
const addsDevice = (device: string, mac = ''): Attack => ({
  name: 'adds a second device with another address',
  // The same MAC address each time, which neighbours remember.
  make: `ip link add link eth0 name second ${mac} type ${device} && ip address add ${second}/24 dev second && ip link set second up`,
  undo: 'ip link delete second',
  through: asksSecond('x/p'),
  held: asksSecond('timeout'),
});
const forges: Attack = {
  name: 'sends as its neighbour by a raw IP socket',
  make: 'true',
  undo: 'true',
  through: async (cluster) => {
    const count = await countForged(cluster);
    await forge(cluster);
    await eventually(async () => ((await count()) > 0 ? undefined : 'no forged packet came'));
  },
  held: (cluster) => assert.rejects(forge(cluster), /Operation not permitted/),
};

const places: readonly { readonly network: string; readonly attacks: readonly Attack[] }[] = [
  {
    network: 'macvlan',
    attacks: [renames, changesMac, addsDevice('macvlan mode bridge', 'address 02:00:00:00:00:78'), forges],
  },
  {
    network: 'macvlan-vlan',
    attacks: [renames, changesMac, addsDevice('macvlan mode bridge', 'address 02:00:00:00:00:78'), forges],
  },
  // Devices of ipvlan have the MAC address of their parent, and refuse another one.
  { network: 'ipvlan-l2', attacks: [renames, addsDevice('ipvlan mode l2'), forges] },
  { network: 'ipvlan-l3', attacks: [renames, addsDevice('ipvlan mode l3'), forges] },
];

/** Resolves with a count of the packets that reach `far` from the address of `near`. */
async function countForged(cluster: Cluster): Promise<() => Promise<number>> {
  const { lab } = cluster;
  const from = cluster.address('peers/near', 'ipv4');
  const hook = '{ type filter hook prerouting priority 0; }';
  const rule = `add rule ip own c ip saddr ${from} udp dport 53 counter`;
  await lab.exec('peers/far', 'nft', `add table ip own; add chain ip own c ${hook}; flush chain ip own c; ${rule}`);
  return async () => {
    const listing = await lab.exec('peers/far', 'nft', 'list', 'table', 'ip', 'own');
    return Number(/counter packets ([0-9]+)/.exec(listing)?.[1]);
  };
}

async function forge(cluster: Cluster): Promise<void> {
  const script = `import socket, struct, sys
source, target = (socket.inet_aton(each) for each in sys.argv[1:])
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 29, 0, 0, 64, 17, 0, source, target)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.sendto(ip + struct.pack('!HHHH', 4000, 53, 9, 0) + b'x', (sys.argv[2], 0))`;
  const [near, far] = (['peers/near', 'peers/far'] as const).map((key) => cluster.address(key, 'ipv4')) as [
    string,
    string,
  ];
  await cluster.lab.exec('x/p', 'python3', '-c', script, near, far);
}

for (const { network, attacks } of places) {
  describe(`attacks inside of pods (${network}, kernel)`, function () {
    this.timeout(180_000);
    let cluster: Cluster;
    before(async function () {
      const cni = await readNetwork(exampleNetwork(network));
      await needMachine(this, cni);
      cluster = await Cluster.up({ name: nameLab('podatt'), cni });
      await cluster.apply(deny);
    });
    after(() => cluster?.lab.down());

    const inPod = (command: string): Promise<string> => cluster.lab.exec('x/p', 'sh', '-c', command);
    const run = async ({ make, undo }: Attack, check: () => Promise<void>): Promise<void> => {
      await inPod(make);
      try {
        await check();
      } finally {
        await inPod(undo);
      }
    };
    const agent = () => cluster.lab.agents.get('n1')!;
    const drifts = async () => (await readMetric(cluster.lab, 'n1', 'postern_pod_network_drift_total'))!;

    for (const attack of attacks) {
      it(`fail: the pod ${attack.name}`, () => run(attack, () => attack.held(cluster)));
    }

    it('are found, mended, counted and reported: the pod deletes all rules', async () => {
      const before = await drifts();
      await inPod('nft flush ruleset');
      await eventually(async () => ((await drifts()) > before ? undefined : 'the agent has not noticed'));
      await eventually(async () => {
        const tables = await inPod('nft list tables');
        return families.every((family) => tables.includes(family === 'ipv4' ? 'ip postern' : 'ip6 postern'))
          ? undefined
          : 'no rules';
      });
      await cluster.expect(denied);
      assert.match(await agent().log(), /"pod":"x\/p".*a program in the pod changed Postern's tables/);
    });

    it('get through without rules and without an agent', async () => {
      await agent().stop('SIGKILL');
      await inPod('nft flush ruleset');
      for (const attack of attacks) await run(attack, () => attack.through(cluster));
      await agent().start();
      await cluster.lab.settle();
      await cluster.expect(denied);
    });
  });
}
