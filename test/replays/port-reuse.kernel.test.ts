import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { it } from 'mocha';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { families, onEachCni, type Family } from '../kernel/cluster.ts';
import type { Cluster } from '../kernel/cluster.ts';
import { block, pods, policy, port } from '../kernel/policies.ts';

/** Connections of each client and family; with the variable, the longest gap is printed. */
const asked = process.env['PORT_REUSES'];
const wanted = Number(asked ?? 2000);
const program = fileURLToPath(new URL('./port-reuse.py', import.meta.url));
const [servedPort, sourcePort] = [7100, 33_333];

interface Reuse {
  readonly failed: Readonly<Record<string, number>>;
  readonly longestMs: number;
}

onEachCni('a client that uses one source port again and again (replay of AWS agent #462, dd11826)', (cluster, cni) => {
  it(`is never refused in ${wanted} connections, while policies change and the agent starts anew`, async function () {
    this.timeout(120_000 + wanted * 100);
    const { lab } = cluster();
    const allow = (extra: readonly object[]) =>
      policy('x', 'allow', {
        ingress: [{ from: [pods({}, { team: 'peers' }), ...extra], ports: [port(`TCP/${servedPort}`)] }],
      });
    const leave = policy('peers', 'leave', {
      egress: [{ to: [pods({ pod: 'p' })], ports: [port(`TCP/${servedPort}`)] }],
    });
    await cluster().apply(allow([]), leave, policy('x', 'deny', { ingress: [], egress: [] }));

    const server = run(cluster(), 'x/p', ['serve', String(servedPort)]);
    await server.said;
    const clients = ['peers/near', 'peers/far'].flatMap((key) =>
      families.map((family) => reuse(cluster(), key, family)),
    );
    const over = new AbortController();
    const all = Promise.all(clients).finally(() => over.abort());
    let changes = 0;
    try {
      for (; !over.signal.aborted; changes++) {
        await cluster().apply(allow([block(`10.77.${changes % 200}.0/24`)]));
        if (changes % 5 !== 2) continue;
        const agent = lab.agents.get('n1')!;
        await agent.stop(changes % 10 === 2 ? 'SIGKILL' : 'SIGTERM');
        await agent.start();
      }
      const done = await all;
      assert.deepEqual(
        done.map(({ failed }) => failed),
        done.map(() => ({})),
      );
      // With the third the agent starts anew.
      assert.ok(changes > 2, `only ${changes} changes`);
      if (asked !== undefined) {
        const gaps = done.map(({ longestMs }) => `${longestMs} ms`).join(', ');
        process.stdout.write(`${cni}: 4 times ${wanted} connections, ${changes} changes; longest gaps ${gaps}\n`);
      }
      // What is not allowed is seen to fail.
      await cluster().apply(policy('x', 'allow', { ingress: [] }));
      await cluster().expect([{ from: 'peers/near', to: 'x/p', port: `TCP/${servedPort}`, answer: 'timeout' }]);
    } finally {
      server.end();
    }
  });
});

async function reuse(cluster: Cluster, key: string, family: Family): Promise<Reuse> {
  const args = ['reuse', cluster.address('x/p', family), servedPort, sourcePort, wanted].map(String);
  const { ended } = run(cluster, key, args);
  return JSON.parse((await ended).at(-1)!) as Reuse;
}

function run({ lab }: Cluster, key: string, args: readonly string[]) {
  const { namespace } = lab.station(key).process;
  const child = spawn(...enterNamespace(namespace, python, [...pythonOptions, program, ...args]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  return {
    said: once(reader, 'line'),
    /** What it has printed. */
    ended: once(reader, 'close').then(() => lines),
    end: () => child.kill('SIGKILL'),
  };
}
