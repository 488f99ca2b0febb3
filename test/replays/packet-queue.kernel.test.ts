import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, before, describe, it } from 'mocha';
import { runCommand } from '../../src/lab/command.ts';
import type { Flow } from '../../src/lab/flow.ts';
import { createNamespace, enterNamespace, runInNamespace } from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { parseTable, terseArguments } from '../../src/nftables/parse.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { Cluster, needMachine, onEachCni } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { block, policy, port } from '../kernel/policies.ts';
import { namespace, node, pod, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
import { nameLab } from '../support/lab-name.ts';

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

describe('packets that wait in a queue while tables of bridges come and go (kernel)', function () {
  this.timeout(120_000);
  const local = ['OUTPUT', '-o', 'lo', '-p', 'udp', '--dport', '5999', '-j', 'NFQUEUE', '--queue-num', String(queue)];
  const send = `
import socket
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(${waiting}):
    out.sendto(b"x", ("127.0.0.1", 5999))
`;
  let reader: QueueReader | undefined;
  before(async function () {
    await needMachine(this, 'bridge');
  });
  afterEach(() => reader?.end());

  it('are all there when the last pod on a bridge goes, and when one comes again', async () => {
    const cluster = await Cluster.up({ name: nameLab('kqueue'), cni: 'bridge' });
    try {
      const { lab } = cluster;
      const name = cluster.nodeNamespace('n1');
      const bridge = async (): Promise<number | undefined> => {
        const listing = await runInNamespace(name, 'nft', terseArguments('bridge')).catch(() => undefined);
        return listing === undefined ? undefined : parseTable('bridge', listing).sets.size;
      };
      assert.ok((await bridge())! > 0);
      await fill(name);
      for (const { metadata } of lab.store.list('pods').items) {
        lab.store.delete('pods', { namespace: metadata.namespace, name: metadata.name! });
      }
      await eventually(async () => ((await bridge()) ? 'the table of bridges still judges' : undefined));
      await lab.settle();
      assert.equal(await count(name), waiting);
      await cluster.reset();
      await eventually(async () => ((await bridge()) ? undefined : 'no table of bridges judges'));
      assert.equal(await count(name), waiting);
      await lab.agents.get('n1')!.end();
      await runInNamespace(name, 'nft', ['delete table bridge postern']);
      assert.equal(await count(name), 0);
    } finally {
      await cluster.lab.down();
    }
  });

  it('are all there when a first load is checked, as where the kernel refuses a policy of it', async () => {
    const name = `postern-queue-${process.pid}`;
    await createNamespace(name);
    try {
      const pipeline = startPipeline('n1', [namespace('x'), node('n1'), pod('x/a', { ips: ['10.1.0.2'] })]);
      pipeline.receive(sandbox('x/a', { ips: ['10.1.0.2'], link: { device: 'cni0', port: 'veth-a' } }));
      const operations = pipeline.plan(undefined).stages.flatMap((stage) => stage.operations);
      assert.ok(operations.some(({ family }) => family === 'bridge'));
      const check = (isCheck: boolean): Promise<string> =>
        runInNamespace(name, 'nft', ['-c', '-f', '-'], { input: renderScript(operations, { isCheck }) });
      // The hooks of conntrack go with the last rule that reads it. On a node that has Services, others have such rules.
      const tracking = ['ip', 'ip6'].map((each) => `table ${each} other { chain c { ct state new; }; }\n`).join('');
      await runInNamespace(name, 'nft', ['-f', '-'], { input: tracking });
      await fill(name);
      await check(true);
      assert.equal(await count(name), waiting);
      await check(false);
      assert.equal(await count(name), 0);
    } finally {
      await runCommand('ip', ['netns', 'delete', name]);
    }
  });

  async function fill(name: string): Promise<void> {
    reader = new QueueReader(name);
    await reader.ready;
    await runInNamespace(name, 'iptables-nft', ['-I', ...local]);
    await runInNamespace(name, python, [...pythonOptions, '-c', send]);
    await eventually(async () => ((await count(name)) === waiting ? undefined : 'too few wait'));
  }

  /** How many the kernel still has. */
  async function count(name: string): Promise<number> {
    const lines = (await runInNamespace(name, 'cat', ['/proc/net/netfilter/nfnetlink_queue'])).trim().split('\n');
    const fields = lines.map((line) => line.trim().split(/\s+/));
    return Number(fields.find(([number]) => number === String(queue))![2]);
  }
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
