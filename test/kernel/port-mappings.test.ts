import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { readNetwork } from '../../src/lab/config-list.ts';
import { Lab } from '../../src/lab/lab.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { host, pod } from '../lab/objects.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { nameLab } from '../support/lab-name.ts';
import { expectAnswers } from '../support/questions.ts';
import { families, needMachine, type Family } from './cluster.ts';
import { block, pods, policy, port } from './policies.ts';

/** By the port of the node: the port of the pod that portmap maps it to. */
const mappings = {
  'TCP/8080': 'TCP/80',
  'UDP/5353': 'UDP/53',
  'TCP/9000': 'TCP/7000',
  'TCP/9001': 'TCP/7001',
  'TCP/9002': 'TCP/7002',
} as const;
type NodePort = keyof typeof mappings;
const nodePorts = Object.keys(mappings) as NodePort[];

/** The host port that only one address of the node has. */
const ofOneAddress = { nodePort: 'TCP/8443', podPort: 443 };

function mappedPod(hostIP: string) {
  const object = pod('x', 'web', [...Object.values(mappings), `TCP/${ofOneAddress.podPort}`], { nodeName: 'n1' });
  const [{ ports }] = (object['spec'] as { containers: [{ ports: { hostPort?: number; hostIP?: string }[] }] })
    .containers;
  for (const [index, nodePort] of nodePorts.entries()) ports[index]!.hostPort = Number(nodePort.slice(4));
  Object.assign(ports.at(-1)!, { hostPort: Number(ofOneAddress.nodePort.slice(4)), hostIP });
  object.metadata.annotations = { 'kubernetes.io/ingress-bandwidth': '50M', 'kubernetes.io/egress-bandwidth': '50M' };
  return object;
}

const outside = { ipv4: '10.9.0.1', ipv6: 'fd00:9::1' };
const cast = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'peers', labels: { team: 'peers' } } },
  pod('peers', 'near', [], { nodeName: 'n1' }),
  pod('peers', 'far', [], { nodeName: 'n2' }),
  host('outside', Object.values(outside), []),
  host('stranger', ['10.9.0.9', 'fd00:9::9'], []),
];
const everyone = ['host/outside', 'host/stranger', 'peers/near', 'peers/far'];

const networks = [
  { name: 'bridge-chain', plugins: 'tuning, portmap and bandwidth' },
  { name: 'ptp-chain', plugins: 'tuning, portmap and firewall' },
];
for (const { name, plugins } of networks) {
  describe(`host ports behind the chain of plugins in examples/networks/${name}.conflist (kernel)`, function () {
    this.timeout(180_000);
    let lab: Lab;
    before(async function () {
      const network = await readNetwork(exampleNetwork(name));
      await needMachine(this, network);
      lab = await Lab.up({ name: nameLab(name.slice(0, 3)), cni: network, objects: cast });
      lab.apply([mappedPod(lab.plan.nodes[0]!.addresses[0]!)]);
      await lab.settle();
    });
    after(() => lab?.down());

    const cluster = () => ({
      families,
      station: (key: string) => lab.station(key),
      address: (key: string, family: Family) => stationAddress(lab.station(key), family)!,
    });
    const nodeAddress = (family: Family): string => stationAddress(lab.station('node/n1'), family)!;
    /** Asks the node's address on each of these ports, in both families. */
    const ask = (from: readonly string[], ports: readonly NodePort[], answer: string) => {
      const questions = families.flatMap((family) =>
        from.flatMap((each) => ports.map((to) => ({ from: each, to: nodeAddress(family), port: to, answer }))),
      );
      return expectAnswers(cluster(), questions);
    };
    const apply = async (ingress: readonly object[]): Promise<void> => {
      lab.apply([policy('x', 'web', { ingress })]);
      await lab.settle();
    };

    it(`the chain has run: ${plugins}`, async () => {
      const node = lab.names.node('n1');
      const nat = await runInNamespace(node, 'iptables-save', ['-t', 'nat']);
      assert.match(nat, /--dport 8080 -j DNAT/);
      const links = await runInNamespace(node, 'ip', ['-d', 'link']);
      if (name === 'bridge-chain') assert.match(links, /\bifb\b/);
      else assert.match(await runInNamespace(node, 'iptables-save', ['-t', 'filter']), /CNI-FORWARD/);
    });

    it('lead to the pod: one, UDP, several in a row, for pods and for hosts', async () => {
      await ask(everyone, nodePorts, 'x/web');
    });

    it('are judged by the port of the pod, and by the address of the client (S6.1)', async () => {
      const blocks = families.map((family) => block(`${outside[family]}/${family === 'ipv4' ? 32 : 128}`));
      const peer = pods({ pod: 'far' }, { team: 'peers' });
      await apply([{ from: [...blocks, peer], ports: [port('TCP/80'), port('TCP/7000-7001')] }]);
      const allowed = ['host/outside', 'peers/far'];
      await ask(allowed, ['TCP/8080', 'TCP/9000', 'TCP/9001'], 'x/web');
      await ask(allowed, ['UDP/5353', 'TCP/9002'], 'timeout');
      await ask(['host/stranger', 'peers/near'], nodePorts, 'timeout');
    });

    it('are not what a policy means by a port', async () => {
      await apply([{ ports: nodePorts.map(port) }]);
      await ask(everyone, nodePorts, 'timeout');
    });

    it('may belong to one address of the node', async () => {
      await apply([{ ports: [port(`TCP/${ofOneAddress.podPort}`)] }]);
      const [own, other] = families.map(nodeAddress);
      const question = { from: 'host/outside', port: ofOneAddress.nodePort };
      await expectAnswers(cluster(), [
        { ...question, to: own!, answer: 'x/web' },
        { ...question, to: other!, answer: 'ECONNREFUSED' },
      ]);
    });
  });
}
