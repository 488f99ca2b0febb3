import assert from 'node:assert/strict';
import type { AgentProcess } from '../../src/lab/agent-process.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Fault } from './fault.ts';
import type { Scene } from './scene.ts';

const interruptions = 'postern_watch_interruptions_total{resource="networkpolicies",reason="unreachable"}';
const lists = 'postern_watch_lists_total{resource="networkpolicies",kind="again"}';

/** Breaks every connection to the API server and refuses new ones, until each agent has retried several times. */
async function outage(scene: Scene, atItsEnd: () => void = () => {}): Promise<number> {
  // Waits until the streams deliver events, so that the back-off of the last outage is over.
  await scene.change();
  await scene.right(performance.now());
  const before = await scene.metric(interruptions);
  await Promise.all(scene.agents.map((agent) => agent.disconnect()));
  await scene.change();
  await scene.grown(interruptions, before, 3);
  atItsEnd();
  const end = performance.now();
  for (const agent of scene.agents) agent.reconnect();
  return end;
}

/** Agents connect to the API server through ApiFront. */
const throughFront = {
  begin: async (scene: Scene) => scene.restart({ args: ['--kubeconfig', (await scene.front()).kubeconfig] }),
  end: (scene: Scene) => scene.restart(),
};

export const apiFaults: readonly Fault[] = [
  {
    // S7.12
    name: 'api-gone',
    title: 'The API server is gone, and comes back',
    tries: 4,
    run: async (scene) => scene.right(await outage(scene)),
  },
  {
    name: 'api-compacted',
    title: 'The API server comes back with a compacted history',
    tries: 4,
    async run(scene) {
      const before = await scene.metric(lists);
      const time = await scene.right(await outage(scene, () => scene.lab.store.compact()));
      await scene.grown(lists, before);
      return time;
    },
  },
  {
    name: 'token-expired',
    title: 'The bearer token expires, and the file with the new one comes late',
    tries: 1,
    slow: true,
    ...throughFront,
    async run(scene) {
      const front = await scene.front();
      const { refused } = front;
      front.expireToken();
      await scene.change();
      await eventually(async () => (front.refused >= refused + 8 ? undefined : 'agents do not ask'));
      const since = performance.now();
      await front.renewToken();
      return scene.right(since, 120_000);
    },
  },
  {
    name: 'stream-silent',
    title: 'Watch streams go silent without an end',
    tries: 1,
    slow: true,
    ...throughFront,
    async run(scene) {
      const front = await scene.front();
      const silent = 'postern_watch_interruptions_total{resource="networkpolicies",reason="silent"}';
      const before = await scene.metric(silent);
      front.silence();
      const since = performance.now();
      await scene.change();
      const time = await scene.right(since, 240_000);
      await scene.grown(silent, before);
      return time;
    },
  },
  {
    name: 'clock-jump',
    title: "The agents' wall clock jumps by a day, back and ahead",
    tries: 4,
    begin: (scene) => scene.restart({ env: { NODE_OPTIONS: `--import=${import.meta.resolve('./clock-jump.ts')}` } }),
    end: (scene) => scene.restart(),
    async run(scene) {
      const jumps = (agent: AgentProcess): Promise<number> =>
        agent.log().then((log) => log.split('the wall clock has jumped').length);
      for (const agent of scene.agents) {
        const before = await jumps(agent);
        process.kill(agent.pid!, 'SIGUSR2');
        await eventually(async () => ((await jumps(agent)) > before ? undefined : 'the clock has not jumped'));
      }
      const since = performance.now();
      await scene.change();
      const time = await scene.right(since);
      const contact = await scene.metric('postern_watch_last_contact_timestamp_seconds{resource="networkpolicies"}');
      const hours = contact.map((seconds) => Math.abs(seconds - Date.now() / 1000) / 3600);
      assert.ok(Math.min(...hours) > 12, `the clock of an agent has not jumped: ${hours.join(', ')} hours`);
      return time;
    },
  },
  {
    name: 'node-object',
    title: "The node's Node object is deleted, and created again",
    tries: 4,
    async run(scene, attempt) {
      const { store } = scene.lab;
      const name = attempt % 2 === 0 ? 'n1' : 'n2';
      const { metadata, ...node } = structuredClone(store.get('nodes', { name }));
      store.delete('nodes', { name });
      await scene.change();
      await scene.lab.settle();
      assert.ok(!(await scene.agent(name).isReady()), `the agent of ${name} is ready without its Node`);
      await scene.inForce();
      await scene.change();
      const since = performance.now();
      store.create('nodes', { ...node, metadata: { name, labels: metadata.labels! } });
      store.updateStatus('nodes', { ...node, metadata: { name } });
      const time = await scene.right(since);
      assert.ok(await scene.agent(name).isReady(), `the agent of ${name} is not ready with its Node`);
      return time;
    },
  },
];
