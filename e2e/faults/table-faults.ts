import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { readMetric } from '../../test/kernel/agent-pages.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Fault } from './fault.ts';
import { nodes } from './scene.ts';
import type { NodeName, Scene } from './scene.ts';

/** Another program does something to our table on one node; the time is that of the last forbidden packet which passed. */
async function tamper(scene: Scene, node: NodeName, ...command: readonly string[]): Promise<number> {
  const drifts = (): Promise<number | undefined> => readMetric(scene.lab, node, 'postern_drift_total');
  const before = (await drifts())!;
  // At a moment that nobody chose, and not always as long after the agent's last look.
  await delay(Math.random() * 500);
  const start = performance.now();
  await scene.lab.exec(`node/${node}`, 'nft', ...command, 'table', 'inet', 'postern');
  await eventually(async () => ((await drifts())! > before ? undefined : 'nobody noticed'));
  await eventually(async () => ((await scene.agent(node).isReady()) ? undefined : 'it is not restored'));
  await scene.change();
  await scene.right(start);
  return Math.max(0, (await scene.traffic.lastForbidden()) - start);
}

const windowMs = 1000;

/** Agents run nft itself: what stands before it takes time of its own. */
const withPlainNft = {
  begin: (scene: Scene) => scene.restart({ env: { PATH: process.env['PATH']! } }),
  end: (scene: Scene) => scene.restart(),
};

export const tableFaults: readonly Fault[] = [
  {
    name: 'table-flushed',
    title: 'Another program flushed our table',
    tries: 10,
    window: windowMs,
    ...withPlainNft,
    run: (scene, attempt) => tamper(scene, nodes[attempt % 2]!, 'flush'),
  },
  {
    name: 'table-deleted',
    title: 'Another program deleted our table',
    tries: 10,
    window: windowMs,
    ...withPlainNft,
    run: (scene, attempt) => tamper(scene, nodes[attempt % 2]!, 'delete'),
  },
  {
    name: 'older-after-newer',
    title: 'An agent starts on a table that a newer version wrote, with things that it does not know',
    tries: 6,
    async run(scene, attempt) {
      const node = nodes[attempt % 2]!;
      await scene.agent(node).stop();
      await scene.lab.exec(`node/${node}`, 'nft', unknownThings);
      await scene.change();
      await scene.nft(node).forgetRuns();
      const since = performance.now();
      await scene.start(node);
      const time = await scene.right(since);
      const left = await scene.lab.exec(`node/${node}`, 'nft', 'list', 'table', 'inet', 'postern');
      assert.doesNotMatch(left, /newer/);
      // Written once, and looked at again and again since then.
      const { writes, all } = await scene.nft(node).runs();
      assert.ok(writes <= 3, `${writes} writes`);
      await scene.nft(node).hasRun(all + 3);
      assert.equal((await scene.nft(node).runs()).writes, writes);
      return time;
    },
  },
];

/** It judges as our table does, so that nothing forbidden passes before the agent has started. */
const unknownThings = `
  add set inet postern newer { type ipv4_addr; flags timeout; size 1000; }
  add map inet postern newer-map { type ipv4_addr . ifname : verdict; }
  add chain inet postern newer-chain { comment "of a newer version"; }
  add rule inet postern newer-chain ip dscp 8 limit rate 10/second counter return
  add rule inet postern forward ip saddr @newer log prefix "newer " jump newer-chain
  add rule inet postern forward ip saddr . iifname vmap @newer-map
  add chain inet postern newer-base { type filter hook prerouting priority 3; policy accept; }
`;
