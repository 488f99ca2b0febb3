import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { readPage } from '../../test/kernel/agent-pages.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Fault } from './fault.ts';
import { OtherAgent } from './other-version.ts';
import { nodes, type NodeName, type Scene } from './scene.ts';

/** The agent of another version that has taken a node over. */
let other: OtherAgent | undefined;

/** All that the lab's agent on the other node has applied, this one has too. */
async function otherApplied(scene: Scene, node: NodeName): Promise<void> {
  await scene.lab.settle();
  const wanted = (await scene.agent(node === 'n1' ? 'n2' : 'n1').applied())!.resources;
  await eventually(async () =>
    isDeepStrictEqual((await other!.applied())?.resources, wanted) ? undefined : other!.page('/readyz?verbose'),
  );
  await scene.inForce();
}

const endOther = async (): Promise<void> => {
  await other?.end();
  other = undefined;
};

const httpPort = 9777;

export const agentFaults: readonly Fault[] = [
  {
    name: 'agent-stopped',
    title: 'Both agents are stopped for a while: the rules outlive them',
    tries: 3,
    async run(scene) {
      await Promise.all(scene.agents.map((agent) => agent.stop()));
      await scene.change();
      await scene.traffic.goesOn(100);
      const since = performance.now();
      await Promise.all(nodes.map((node) => scene.start(node)));
      return scene.right(since);
    },
  },
  {
    name: 'agent-killed',
    title: 'An agent is killed (SIGKILL) at a random moment of a change or of its start',
    tries: 100,
    async run(scene, attempt) {
      const node = nodes[attempt % 2]!;
      const agent = scene.agent(node);
      const isStarting = attempt % 4 >= 2;
      if (isStarting) {
        await agent.stop();
        await scene.start(node);
      }
      await scene.change();
      // The wait is the fault: a moment that nobody chose.
      await delay(Math.random() * (isStarting ? 1000 : 100));
      await agent.stop('SIGKILL');
      const since = performance.now();
      await scene.start(node);
      return scene.right(since);
    },
  },
  {
    name: 'upgrade',
    title: 'An agent is replaced by one of another version, which writes other rules, and back',
    tries: 20,
    end: endOther,
    async run(scene, attempt) {
      const node = nodes[Math.floor(attempt / 2) % 2]!;
      await scene.change();
      if (attempt % 2 === 0) {
        let since = 0;
        other = await OtherAgent.start(scene, node, async () => {
          await scene.agent(node).stop();
          since = performance.now();
        });
        await otherApplied(scene, node);
        return performance.now() - since;
      }
      await endOther();
      const since = performance.now();
      await scene.start(node);
      return scene.right(since);
    },
  },
  {
    name: 'two-agents',
    title: 'Two agents of different versions run on a node; the first ends, or is killed',
    tries: 6,
    end: endOther,
    async run(scene, attempt) {
      const node = nodes[Math.floor(attempt / 2) % 2]!;
      const signal = attempt % 4 < 2 ? 'SIGTERM' : 'SIGKILL';
      if (attempt % 2 === 0) {
        other = await OtherAgent.start(scene, node);
        const waits = async (): Promise<boolean> => /\[-\] lock: agent/.test(await other!.page('/readyz'));
        await eventually(async () => ((await waits()) ? undefined : other!.page('/readyz?verbose')));
        await scene.change();
        await scene.right(performance.now());
        assert.ok(await waits(), 'the second does not wait');
        assert.equal((await other.nft.runs()).writes, 0);
        await scene.change();
        await scene.agent(node).stop(signal);
        const since = performance.now();
        await otherApplied(scene, node);
        return performance.now() - since;
      }
      await scene.nft(node).forgetRuns();
      await scene.start(node);
      await eventually(async () => {
        const { body } = await readPage(scene.lab, node, '/readyz');
        return body.includes('[-] lock: agent') ? undefined : body;
      });
      await scene.change();
      assert.equal((await scene.nft(node).runs()).writes, 0);
      await other!.end(signal);
      other = undefined;
      return scene.right(performance.now());
    },
  },
  {
    name: 'port-taken',
    title: "Another process has the agent's HTTP port when it starts",
    tries: 2,
    async run(scene, attempt) {
      const node = nodes[attempt % 2]!;
      const agent = scene.agent(node);
      const listener = ['-u', `TCP-LISTEN:${httpPort},bind=127.0.0.1,fork`, 'STDOUT'];
      const thief = spawn(...enterNamespace(scene.lab.names.node(node), 'socat', listener), { stdio: 'ignore' });
      try {
        await agent.stop();
        await scene.change();
        const since = performance.now();
        await scene.start(node, { args: ['--listen', `127.0.0.1:${httpPort}`] });
        const time = await scene.rightByPackets(since);
        await eventually(async () =>
          (await agent.logTail(50)).includes('another process uses this address') ? undefined : 'it does not say so',
        );
        await endProcess(thief);
        const ask = `printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' | socat -t5 - TCP:127.0.0.1:${httpPort}`;
        await eventually(async () => {
          const page = await scene.lab.exec(`node/${node}`, 'sh', '-c', ask).catch(() => 'nobody listens');
          return page.startsWith('HTTP/1.1 200') ? undefined : page;
        });
        return time;
      } finally {
        await endProcess(thief);
        await agent.stop();
        await scene.start(node);
      }
    },
  },
];

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
