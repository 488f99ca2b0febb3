import type { Bench, Figure } from '../figure.ts';
import { shapes, type Shape } from '../cluster/shapes.ts';
import { measureRelabel, measureRollout } from './bursts.ts';
import { measureChurn } from './churn.ts';
import type { LatencyBars } from './latency.ts';
import { MeasuredNode } from './measured-node.ts';
import { measureMemberChanges } from './member-changes.ts';
import { findMembers } from './members.ts';
import { measureNewPolicy } from './new-policy.ts';
import type { Rate } from './schedule.ts';
import { measureTraffic } from './traffic-under-churn.ts';

/** Number of measurements in one cluster. */
interface Scale {
  readonly shape: Shape;
  readonly rounds: number;
  /** Changed pods per round. */
  readonly pods: number;
  /** After so many of them, the bench checks for other commits of the agent. */
  readonly together: number;
  /** Of the milliseconds from event to kernel under churn. */
  readonly bars: LatencyBars;
}

const scales: readonly Scale[] = [
  { shape: shapes.uniform, rounds: 5, pods: 100, together: 100, bars: {} },
  { shape: shapes.small, rounds: 9, pods: 100, together: 100, bars: { p50: 1.5, p99: 5 } },
  // Fewer, because a change in this cluster takes the agent and the forecast more than a second of processor time. An agent that is busy for two seconds
  // does what it does after a standstill: it leaves the flow sets. So few are changed together.
  { shape: shapes.zipf, rounds: 2, pods: 20, together: 4, bars: {} },
];
const rate: Rate = { seconds: 60, events: 500, concerning: 5 };
const besideTraffic: Rate = { ...rate, seconds: 30 };

/** Latency of changes, from the API server's write to the kernel's commit, and their cost on the node. */
export const changes: Bench = {
  name: 'changes',
  summary: 'changes on the agent as the image runs it, from the API server to the commit (B3, B4, B6, B9)',
  against: 'one element by netlink, or one script of the same size by the same nft',
  async run(progress) {
    const figures: Figure[] = [];
    for (const scale of scales) {
      const show = (message: string): void => progress(`${scale.shape.name}: ${message}`);
      figures.push(...(await measureShape(scale, show)));
    }
    return figures;
  },
};

function measureShape(
  { shape, rounds, pods, together, bars }: Scale,
  progress: (message: string) => void,
): Promise<Figure[]> {
  return MeasuredNode.with(shape, progress, async (node) => {
    progress('looking for pods that matter');
    const members = findMembers(node, shape, pods);
    return [
      ...(await measureMemberChanges(node, members, { rounds, together }, shape.name, progress)),
      ...(await measureChurn(node, members, rate, shape.name, bars, progress)),
      // Last, because they add pods.
      ...(await measureTraffic(node, shape, members, besideTraffic, progress)),
      ...(await measureRollout(node, shape, progress)),
      ...(await measureRelabel(node, shape, progress)),
      ...(await measureNewPolicy(node, shape, rounds, progress)),
    ];
  });
}
