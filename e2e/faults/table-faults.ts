import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { readMetric } from '../../test/kernel/agent-pages.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Fault } from './fault.ts';
import { nodes } from './scene.ts';
import type { NodeName, Scene } from './scene.ts';

const routedTables = ['ip', 'ip6'] as const;
type RoutedTable = (typeof routedTables)[number];

/** Changes the tables of Postern on one node. Resolves to the time of the last forbidden packet that passed. */
async function tamper(
  scene: Scene,
  node: NodeName,
  verb: 'flush' | 'delete',
  families: readonly RoutedTable[] = routedTables,
): Promise<number> {
  const drifts = (): Promise<number | undefined> => readMetric(scene.lab, node, 'postern_drift_total');
  const before = (await drifts())!;
  // A random delay, so that the time since the agent's last check varies.
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

/** Agents run the real nft, because the wrapper takes time. */
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
      // The agent rewrote the tables once, in at most eight transactions (docs/decisions/0016), and has checked several times since.
      const { writes, all } = await scene.nft(node).runs();
      assert.ok(writes <= 8, `${writes} writes`);
      await scene.nft(node).hasRun(all + 9);
      assert.equal((await scene.nft(node).runs()).writes, writes);
      return time;
    },
  },
];

/** These objects decide as the tables of Postern, so that no forbidden packet passes before the agent starts. */
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
