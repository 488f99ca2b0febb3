import assert from 'node:assert/strict';
import { it } from 'mocha';
import { familyOf } from '../../src/model/address.ts';
import { families, onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { block, policy, port } from './policies.ts';

const deny = policy('x', 'deny', { ingress: [], egress: [] });

onEachCni('the own node', (cluster) => {
  it('reaches an isolated pod from each of its addresses, and so do its host-network pods (S5.1, S5.2, S8.7)', async () => {
    await cluster().apply(deny);
    const sources = await nodeAddresses(cluster());
    assert.ok(sources.length >= 4, sources.join());
    const answers = sources.map((source) => greetFrom(cluster(), source, cluster().address('x/p', familyOf(source))));
    assert.deepEqual(
      await Promise.all(answers),
      sources.map(() => 'x/p'),
    );
    await cluster().expect(
      ['node/n1', 'x/on-node'].flatMap((from) =>
        ['TCP/80', 'UDP/53', 'SCTP/80', 'icmp'].map((port) => ({ from, to: 'x/p', port, answer: 'x/p' })),
      ),
    );
  });

  it('is the only one: another node is judged by its address (S3.15, S6.T7)', async () => {
    await cluster().apply(deny);
    const questions = (answer: string) =>
      ['TCP/80', 'UDP/53', 'icmp'].map((port) => ({ from: 'node/n2', to: 'x/p', port, answer }));
    await cluster().expect(questions('timeout'));
    const from = families.map((family) => block(hostCidr(cluster().address('node/n2', family))));
    await cluster().apply(policy('x', 'node', { ingress: [{ from }] }));
    await cluster().expect(questions('x/p'));
  });

  it('is judged as a destination of its pods, at each of its addresses and in the range of node ports (S5.7, S6.4)', async () => {
    await cluster().apply(deny);
    const addresses = await nodeAddresses(cluster());
    const questions = (answers: Readonly<Record<string, string>>) =>
      addresses.flatMap((to) => Object.entries(answers).map(([port, answer]) => ({ from: 'x/p', to, port, answer })));
    await cluster().expect(
      questions({ 'TCP/9100': 'timeout', 'UDP/9053': 'timeout', 'TCP/9': 'timeout', 'TCP/30999': 'timeout' }),
    );
    // As for a node-local DNS cache.
    const to = addresses.map((address) => block(hostCidr(address)));
    await cluster().apply(policy('x', 'dns', { egress: [{ to, ports: [port('UDP/9053')] }] }));
    await cluster().expect(questions({ 'TCP/9100': 'timeout', 'UDP/9053': 'x/on-node' }));
    // A pod that no policy selects is not.
    await cluster().expect(addresses.map((to) => ({ from: 'peers/near', to, port: 'TCP/9100', answer: 'x/on-node' })));
  });
});

function hostCidr(address: string): string {
  return `${address}/${familyOf(address) === 'ipv4' ? 32 : 128}`;
}

/** Of n1: its own, and those that the network plugin has given it on the way to its pods. */
async function nodeAddresses({ lab }: Cluster): Promise<string[]> {
  const listing = await lab.exec('node/n1', 'ip', '-json', 'address', 'show', 'scope', 'global');
  const links = JSON.parse(listing) as { addr_info?: { local?: string }[] }[];
  return [...new Set(links.flatMap(({ addr_info = [] }) => addr_info.flatMap(({ local }) => local ?? [])))];
}

/** Who answers on TCP/80, asked by a socket of n1 that is bound to one address. */
function greetFrom({ lab }: Cluster, source: string, destination: string): Promise<string> {
  const program = `import socket, sys
s = socket.create_connection((sys.argv[1], 80), 60, (sys.argv[2], 0))
print(s.recv(64).decode().strip())`;
  return lab.exec('node/n1', '/usr/bin/python3', '-c', program, destination, source);
}
