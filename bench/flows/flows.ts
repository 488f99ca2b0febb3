import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { enterNamespace, runInNamespace } from '../../src/lab/network-namespace.ts';
import { python } from '../../src/lab/pod-process.ts';
import { BenchNode } from '../agent/node.ts';
import type { Bench, Run } from '../figure.ts';
import { processorTime } from '../processor.ts';

const open = fileURLToPath(new URL('open.py', import.meta.url));
const pods = 110;
/** One alone may fill a quarter of the rows. */
const namespaces = 10;
/** Of the 4,096 that an agent keeps. With fewer, its memory would look small. */
const leastRows = 3_500;
const perSecond = 5_000;
/** The kernel keeps each for 20 s, and removes it up to a minute later: 100,000 and more, of 262,144. */
const keptSeconds = 20;
/** An open page does so, by a program that it starts on the node. */
const askEveryMs = 15_000;
/** As many questions in each round. */
const seconds = (2 * askEveryMs) / 1000;
const rounds = 3;
const nodeName = 'node-0';

const objects: readonly object[] = [
  {
    ...{ apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: 'uid-node', resourceVersion: '1' } },
    ...{ spec: { podCIDRs: ['10.128.0.0/24'] }, status: {} },
  },
  ...Array.from({ length: namespaces }, (_, index) => {
    const metadata = { name: `x${index}`, uid: `uid-x${index}`, resourceVersion: '1' };
    return { apiVersion: 'v1', kind: 'Namespace', metadata };
  }),
  ...Array.from({ length: pods }, (_, index) => pod(index)),
];

function pod(index: number): object {
  const ip = `10.128.0.${index + 2}`;
  const uid = `${String(index).padStart(8, '0')}-0000-4000-8000-000000000000`;
  return {
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: {
      namespace: `x${index % namespaces}`,
      name: `p${index}`,
      uid,
      resourceVersion: '1',
      labels: { app: `p${index}` },
    },
    spec: { nodeName, containers: [{ name: 'main', image: 'none' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}

export const keptFlows: Bench = {
  name: 'flows',
  summary:
    'the agent, as the image runs it, while 110 pods open 5,000 connections a second, and while they open none (F1)',
  async run(progress) {
    progress('a node of 110 pods');
    const node = await BenchNode.of(nodeName, () => objects);
    try {
      const agent = node.startAgent();
      await agent.ready();
      let asking = 0;
      const spent = (): number => {
        const { own, children } = processorTime(agent.pid);
        return own + children + asking;
      };
      const share = async (): Promise<Run> => {
        const [start, before] = [performance.now(), spent()];
        await wait(seconds * 1000);
        return { value: (100 * (spent() - before)) / (performance.now() - start) };
      };
      const measure = async (what: string): Promise<Run[]> => {
        const runs: Run[] = [];
        for (let round = 0; round < rounds; round++) {
          runs.push(await share());
          progress(`${what}: ${round + 1} of ${rounds}`);
        }
        return runs;
      };
      const idle = await measure('none');
      const before = (await agent.memory()).anonymous;
      const opening = openConnections();
      progress(`filling the table for ${keptSeconds} s`);
      await wait(keptSeconds * 1000);
      const busy = await measure('5,000 a second');
      let failure: Error | undefined;
      const ask = async (): Promise<void> => {
        try {
          const took = await node.processorOf(agent.question('history'));
          asking += took;
        } catch (error) {
          failure ??= error as Error;
        }
      };
      const questions = setInterval(() => void ask(), askEveryMs);
      const asked = await measure('5,000 a second, with questions').finally(() => clearInterval(questions));
      if (failure) throw failure;
      const count = Number(await runInNamespace(node.namespace, 'conntrack', ['-C']));
      if (count < 0.8 * perSecond * keptSeconds) throw new Error(`the kernel tracks only ${count} connections`);
      const { flows, look } = await agent.flows();
      const kept = flows.flatMap(({ minutes }) => minutes).reduce((sum, [, connections]) => sum + connections, 0);
      const opened = perSecond * (keptSeconds + 2 * rounds * seconds);
      progress(`${flows.length} rows, ${kept} of ${opened} connections, the last look took ${look?.seconds} s`);
      // An agent that sees no connections would look cheap.
      if (kept < 0.1 * opened) throw new Error(`the agent has counted ${kept} of ${opened} connections`);
      if (flows.length < leastRows) throw new Error(`the agent has ${flows.length} rows only`);
      const after = (await agent.memory()).anonymous;
      opening.kill();
      const id = 'F1';
      const unit = '% of a core' as const;
      return [
        { id, what: '5,000 new connections a second, 100,000 tracked: processor, agent and nft', unit, runs: busy },
        { id, what: 'none: processor, agent and nft', unit, runs: idle },
        {
          ...{ id, what: '5,000 new connections a second: more processor than without', unit, bar: { atMost: 3 } },
          runs: busy.map(({ value }, index) => ({ value: value - idle[index]!.value })),
        },
        {
          ...{
            id,
            what: '5,000 new connections a second, and a question every 15 s with its program: more processor than without',
            unit,
          },
          ...{ bar: { atMost: 3 }, runs: asked.map(({ value }, index) => ({ value: value - idle[index]!.value })) },
        },
        {
          id,
          what: '5,000 new connections a second: more memory',
          unit: 'MB',
          bar: { atMost: 10 },
          runs: [{ value: after - before }],
        },
      ];
    } finally {
      await node.down();
    }

    function openConnections(): { kill(): void } {
      const total = keptSeconds + (2 * rounds + 2) * seconds;
      const words = [pods, perSecond, total, keptSeconds].map(String);
      const [file, args] = enterNamespace(node.namespace, python, [open, ...words]);
      const child = spawn(file, args, { stdio: 'ignore', detached: true });
      return { kill: () => void process.kill(-child.pid!) };
    }
  },
};
