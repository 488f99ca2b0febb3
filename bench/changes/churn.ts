import { setTimeout } from 'node:timers/promises';
import type { Figure } from '../figure.ts';
import { Random } from '../cluster/random.ts';
import { bareElement } from './bare-element.ts';
import { inForceAt, type Way } from './in-force.ts';
import { latencyFigures } from './latency.ts';
import type { Members } from './members.ts';
import type { Change, NodeUnderTest } from './node-under-test.ts';
import { monotonic } from './protocol.ts';
import { schedule, type Rate } from './schedule.ts';

/** Number of bare elements of each kind, before and after. */
const bareElements = 75;

interface Sent {
  /** Index among all sent events. */
  readonly index: number;
  readonly way: Way;
}

/** B6: pods of the whole cluster change continuously. */
export async function measureChurn(
  node: NodeUnderTest,
  { byLabel, others }: Members,
  rate: Rate,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const random = new Random(6);
  const bare: Record<Way, number[]> = { addition: [], removal: [] };
  await measureBare(node, bare);
  const memoryBefore = await node.ask('memory');
  const before = { at: monotonic(), ...(await node.ask('processor')) };
  const sent: Sent[] = [];
  const applied = new Applied();
  const start = monotonic();
  for (const { due, object, way } of schedule(rate, byLabel, others, random)) {
    const wait = start + due - monotonic();
    if (wait > 1) {
      await setTimeout(wait);
      await applied.drain(node);
      progress(`churn: ${Math.round(due / 1000)} of ${rate.seconds} s`);
    }
    if (way) sent.push({ index: node.told, way });
    node.post({ type: 'MODIFIED', object });
  }
  await setTimeout(start + rate.seconds * 1000 - monotonic());
  await applied.drain(node);
  const waiting = sent.filter(({ index }) => !applied.find(index)).length;
  const after = await node.ask('processor');
  const took = monotonic() - before.at;
  await node.ask('settled');
  await applied.drain(node);
  const memoryAfter = await node.ask('memory');
  await measureBare(node, bare);
  node.assertQuiet();

  const percent = (milliseconds: number): number => (100 * milliseconds) / took;
  const own = percent(after.ownMs - before.ownMs);
  const children = percent(after.childrenMs - before.childrenMs);
  const load = `${rate.events} pod events/s, ${rate.concerning} of them for this node, ${rate.seconds} s`;
  const single = (what: string, unit: Figure['unit'], value: number, bar?: Figure['bar']): Figure => {
    return { id: 'B6', what: `${load}: ${what}`, unit, ...(bar && { bar }), runs: [{ value }] };
  };
  const latencies = (['addition', 'removal'] as const).flatMap((way) => {
    const ours = sent.filter((each) => each.way === way).map(({ index }) => applied.latency(index, way));
    return latencyFigures('B6', `${load}: label, ${way}`, [{ ours, baseline: bare[way] }]);
  });
  return [
    single('not in force at the end', 'changes waiting', waiting, { atMost: 1 }),
    ...latencies,
    single('processor, agent and nft', '% of a core', own + children, { atMost: 15 }),
    single('processor, agent alone', '% of a core', own),
    single('processor, nft alone', '% of a core', children),
    single('resident memory, end over start', 'ratio', memoryAfter.residentBytes / memoryBefore.residentBytes, {
      atMost: 1.1,
    }),
    single('live heap, end over start', 'ratio', memoryAfter.heapBytes / memoryBefore.heapBytes),
  ];
}

async function measureBare(node: NodeUnderTest, bare: Record<Way, number[]>): Promise<void> {
  for (let i = 0; i < bareElements; i++) {
    for (const way of ['addition', 'removal'] as const) bare[way].push(await bareElement(node, way));
  }
}

/** Maps events to the runs that applied them. */
class Applied {
  readonly #changes: Change[] = [];

  async drain(node: NodeUnderTest): Promise<void> {
    for (let change = await node.next(); change; change = await node.next()) this.#changes.push(change);
  }

  find(index: number): Change | undefined {
    return this.#changes.find(({ before, seen }) => index >= before && index < before + seen.length);
  }

  /** Milliseconds from seen to in force. */
  latency(index: number, way: Way): number {
    const change = this.find(index);
    if (!change) throw new Error('a change has not changed the kernel');
    return inForceAt([change], way) - change.seen[index - change.before]!;
  }
}
