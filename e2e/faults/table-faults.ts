import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { readMetric } from '../../test/kernel/agent-pages.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Fault } from './fault.ts';
import { nodes } from './scene.ts';
import type { NodeName, Scene } from './scene.ts';

const routedTables = ['ip', 'ip6'] as const;
type RoutedTable = (typeof routedTables)[number];

/** Another program does something to tables of ours on one node; the time is that of the last forbidden packet which passed. */
async function tamper(
  scene: Scene,
  node: NodeName,
  verb: 'flush' | 'delete',
  families: readonly RoutedTable[] = routedTables,
): Promise<number> {
  const drifts = (): Promise<number | undefined> => readMetric(scene.lab, node, 'postern_drift_total');
  const before = (await drifts())!;
  // At a moment that nobody chose, and not always as long after the agent's last look.
  await delay(Math.random() * 700);
  const start = performance.now();
  await scene.lab.exec(`node/${node}`, 'nft', families.map((family) => `${verb} table ${family} postern`).join('; '));
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
    title: 'Another program flushed our tables',
    tries: 10,
    window: windowMs,
    ...withPlainNft,
    run: (scene, attempt) => tamper(scene, nodes[attempt % 2]!, 'flush'),
  },
  {
    name: 'table-deleted',
    title: 'Another program deleted our tables',
    tries: 10,
    window: windowMs,
    ...withPlainNft,
    run: (scene, attempt) => tamper(scene, nodes[attempt % 2]!, 'delete'),
  },
  {
    name: 'one-table-deleted',
    title: 'Another program deleted the table of one family',
    tries: 10,
    window: windowMs,
    ...withPlainNft,
    run: (scene, attempt) => tamper(scene, nodes[attempt % 2]!, 'delete', [routedTables[(attempt >> 1) % 2]!]),
  },
  {
    name: 'older-after-newer',
    title: 'An agent starts on tables that a newer version wrote, with things that it does not know',
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
      assert.doesNotMatch(await scene.lab.exec(`node/${node}`, 'nft', 'list', 'ruleset'), /newer/);
      // Written once, and looked at again and again since then.
      const { writes, all } = await scene.nft(node).runs();
      assert.ok(writes <= 3, `${writes} writes`);
      await scene.nft(node).hasRun(all + 9);
      assert.equal((await scene.nft(node).runs()).writes, writes);
      return time;
    },
  },
];

/** They judge as our tables do, so that nothing forbidden passes before the agent has started. */
const unknownThings = routedTables
  .map(
    (family) => `
  add set ${family} postern newer { type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}; flags timeout; size 1000; }
  add map ${family} postern newer-map { type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'} . ifname : verdict; }
  add chain ${family} postern newer-chain { comment "of a newer version"; }
  add rule ${family} postern newer-chain ${family} dscp 8 limit rate 10/second counter return
  add rule ${family} postern forward ${family} saddr @newer log prefix "newer " jump newer-chain
  add rule ${family} postern forward ${family} saddr . iifname vmap @newer-map
  add chain ${family} postern newer-base { type filter hook prerouting priority 3; policy accept; }`,
  )
  .join('');
