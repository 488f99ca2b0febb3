import { setTimeout } from 'node:timers/promises';
import type { ProcessMemory } from '../agent/image-agent.ts';
import type { Figure } from '../figure.ts';
import { Random } from '../cluster/random.ts';
import { addressKey, type Commit } from '../kernel/commit-watch.ts';
import { monotonic } from '../monotonic.ts';
import { processorTime } from '../processor.ts';
import { bareElement } from './bare-element.ts';
import type { Way } from './in-force.ts';
import { latencyFigures, timeFigures, type LatencyBars } from './latency.ts';
import type { Members } from './members.ts';
import type { MeasuredNode } from './measured-node.ts';
import { schedule, type Rate } from './schedule.ts';

/** Number of bare elements of each kind, before and after. */
const bareElements = 75;

/** An event that changes the rules of this node. */
export interface Sent {
  readonly event: number;
  readonly way: Way;
  /** Keys of the pod's addresses. */
  readonly addresses: readonly string[];
}

export interface Churned {
  readonly sent: readonly Sent[];
  /** Milliseconds from each of them to in force, also after the end. `undefined`: a later event of the pod came first. */
  readonly latencies: readonly (number | undefined)[];
  /** Number of them that were not in force at the end. */
  readonly waiting: number;
  /** Percent of a core. */
  readonly processor: { readonly own: number; readonly children: number };
  readonly before: ProcessMemory;
  readonly after: ProcessMemory;
}

/** B6: pods of the whole cluster change continuously. */
export async function measureChurn(
  node: MeasuredNode,
  members: Members,
  rate: Rate,
  on: string,
  bars: LatencyBars,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const bare: Record<Way, number[]> = { addition: [], removal: [] };
  await measureBare(node, bare);
  const { sent, latencies, waiting, processor, before, after } = await churn(node, members, rate, progress);
  await measureBare(node, bare);
  const load = `${on}: ${describeRate(rate)}`;
  const single = (what: string, unit: Figure['unit'], value: number, bar?: Figure['bar']): Figure => {
    return { id: 'B6', what: `${load}: ${what}`, unit, ...(bar && { bar }), runs: [{ value }] };
  };
  const ofWays = (['addition', 'removal'] as const).flatMap((way) => {
    const ours = latencies.filter((each, i) => each !== undefined && sent[i]!.way === way) as number[];
    if (ours.length === 0) return [];
    return [
      ...latencyFigures('B6', `${load}: label, ${way}`, [{ ours, baseline: bare[way] }]),
      ...timeFigures('B6', `${load}: label, ${way}, event sent → in force`, [ours], bars),
    ];
  });
  const { own, children } = processor;
  return [
    single('not in force at the end', 'changes waiting', waiting, { atMost: 1 }),
    ...ofWays,
    single('processor, agent and nft', '% of a core', own + children, { atMost: 5 }),
    single('processor, agent alone', '% of a core', own),
    single('processor, nft alone', '% of a core', children),
    single('resident memory, end over start', 'ratio', after.resident / before.resident, { atMost: 1.1 }),
  ];
}

export function describeRate({ events, concerning, seconds }: Rate): string {
  return `${events} pod events/s, ${concerning} of them for this node, ${seconds} s`;
}

/** Sends the events in time, whether or not the agent keeps up. */
export async function churn(
  node: MeasuredNode,
  { byLabel, others }: Members,
  rate: Rate,
  progress: (message: string) => void,
): Promise<Churned> {
  const sent: Sent[] = [];
  const before = await node.agent.memory();
  const [started, used] = [monotonic(), processorTime(node.agent.pid)];
  for (const { due, object, way } of schedule(rate, byLabel, others, new Random(6))) {
    const wait = started + due - monotonic();
    if (wait > 1) {
      await setTimeout(wait);
      progress(`churn: ${Math.round(due / 1000)} of ${rate.seconds} s`);
    }
    const event = node.tell('MODIFIED', object, { matters: way !== undefined });
    const addresses = object.status.podIPs.map(({ ip }) => addressKey(ip));
    if (way) sent.push({ event, way, addresses });
  }
  await setTimeout(Math.max(0, started + rate.seconds * 1000 - monotonic()));
  const ended = monotonic();
  const usedAtEnd = processorTime(node.agent.pid);
  const commits = await node.settle();
  const percent = (milliseconds: number): number => (100 * milliseconds) / (ended - started);
  const times = await Promise.all(sent.map(({ event }) => node.sentAt(event)));
  const latencies = latenciesOf(sent, times, commits);
  return {
    sent,
    latencies,
    waiting: countWaiting(times, latencies, ended),
    processor: {
      own: percent(usedAtEnd.own - used.own),
      children: percent(usedAtEnd.children - used.children),
    },
    before,
    after: await node.agent.memory(),
  };
}

/** For each event, the first commit after it that adds or removes all its addresses. A pod's next event comes much later than its last. */
export function latenciesOf(
  sent: readonly Sent[],
  times: readonly number[],
  commits: readonly Commit[],
): (number | undefined)[] {
  const inForce: Readonly<Record<Way, Map<string, number[]>>> = { addition: new Map(), removal: new Map() };
  for (const { at, added, removed } of commits) {
    for (const [way, addresses] of [
      ['addition', added],
      ['removal', removed],
    ] as const) {
      for (const address of addresses) inForce[way].set(address, [...(inForce[way].get(address) ?? []), at]);
    }
  }
  return sent.map(({ way, addresses }, i) => {
    const found = addresses.map((address) => inForce[way].get(address)?.find((at) => at >= times[i]!));
    return found.includes(undefined) ? undefined : Math.max(...(found as number[])) - times[i]!;
  });
}

/** Events that were not in force at the end. */
export function countWaiting(
  times: readonly number[],
  latencies: readonly (number | undefined)[],
  end: number,
): number {
  return latencies.filter((latency, i) => latency === undefined || times[i]! + latency > end).length;
}

async function measureBare({ twin }: MeasuredNode, bare: Record<Way, number[]>): Promise<void> {
  for (let i = 0; i < bareElements; i++) {
    for (const way of ['addition', 'removal'] as const) bare[way].push(await bareElement(twin, way));
  }
}
