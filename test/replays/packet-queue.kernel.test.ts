import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { it } from 'mocha';
import type { Flow } from '../../src/lab/flow.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { onEachCni, type Cluster } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { block, policy, port } from '../kernel/policies.ts';

const program = fileURLToPath(new URL('./packet-queue.py', import.meta.url));
const changes = Number(process.env['QUEUE_CHANGES'] ?? 40);
const [queue, waiting] = [7, 150];

/** Each makes, moves or takes away classes; after the third no pod is isolated. */
const steps = [
  (cluster: Cluster, count: number) =>
    cluster.apply(
      policy('x', 'a', { ingress: [{ from: [block(`10.77.${count % 256}.0/24`)], ports: [port('TCP/80')] }] }),
    ),
  (cluster: Cluster) => cluster.apply(policy('x', 'b', { ingress: [{ ports: [port('UDP/5000')] }], egress: [{}] })),
  async (cluster: Cluster) => {
    await cluster.remove(policy('x', 'a', {}));
    await cluster.remove(policy('x', 'b', {}));
  },
];

onEachCni('packets that wait in a queue of another program (replay of KNP #402)', (cluster) => {
  it(`are all there after ${changes} changes and a restart, and gone where a base chain is deleted`, async function () {
    this.timeout(60_000 + changes * 2000);
    const { lab } = cluster();
    const rule = ['FORWARD', '-p', 'udp', '--dport', '5000', '-j', 'NFQUEUE', '--queue-num', String(queue)];
    const reader = new QueueReader(cluster().nodeNamespace('n1'));
    let flow: Flow | undefined;
    try {
      await reader.ready;
      await lab.exec('node/n1', 'iptables-nft', '-I', ...rule);
      flow = await lab.openFlow('peers/far', 'x/p', { protocol: 'UDP', port: 5000, family: 'ipv4', rate: 500 });
      const fill = async (): Promise<number> => {
        await eventually(async () => ((await reader.ask('count')) >= waiting ? undefined : 'too few wait'));
        const { client } = await flow!.pause();
        return client.sent;
      };
      const sent = await fill();
      await eventually(async () => ((await reader.ask('count')) === sent ? undefined : 'not all are in the queue'));
      for (let count = 0; count < changes; count++) {
        await steps[count % steps.length]!(cluster(), count);
        if (count === changes >> 1) await lab.agents.get('n1')!.restart();
      }
      assert.equal((await flow.state()).server.received, 0);
      await reader.ask('release');
      await eventually(async () => {
        const { server } = await flow!.state();
        return server.distinct === sent ? undefined : `${server.distinct} of ${sent} packets have come`;
      });

      // The kernel empties every queue of the namespace with a base chain, as an uninstall must.
      await flow.close();
      await cluster().reset();
      flow = await lab.openFlow('peers/far', 'x/p', { protocol: 'UDP', port: 5000, family: 'ipv4', rate: 500 });
      await fill();
      const other = 'table ip other {\n chain f {\n type filter hook forward priority 50;\n }\n}';
      await lab.exec('node/n1', 'nft', other);
      await lab.exec('node/n1', 'nft', 'delete', 'table', 'ip', 'other');
      await reader.ask('release');
      await lab.exec('node/n1', 'iptables-nft', '-D', ...rule);
      // A later flow arrives, so what was kept would have.
      const later = await lab.openFlow('peers/far', 'x/p', { protocol: 'UDP', port: 5000, family: 'ipv4', rate: 100 });
      await eventually(async () => ((await later.state()).server.received > 10 ? undefined : 'nothing comes'));
      await later.close();
      assert.equal((await flow.state()).server.received, 0);
    } finally {
      await flow?.close();
      reader.end();
      await lab.exec('node/n1', 'sh', '-c', `iptables-nft -D ${rule.join(' ')} 2>/dev/null || true`);
    }
  });
});

/** A program that takes packets from a queue and keeps them. */
class QueueReader {
  readonly ready: Promise<unknown>;
  readonly #child;
  readonly #lines;

  constructor(namespace: string) {
    const command = enterNamespace(namespace, python, [...pythonOptions, program, String(queue)]);
    this.#child = spawn(...command, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.ready = once(this.#lines, 'line');
  }

  /** Says how many wait, or waited. */
  async ask(what: 'count' | 'release'): Promise<number> {
    const line = once(this.#lines, 'line');
    this.#child.stdin.write(what);
    return Number((await line)[0]);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}
