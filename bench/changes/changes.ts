import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, Figure } from '../figure.ts';
import { shapes, type Shape } from '../cluster/shapes.ts';
import { measureChurn } from './churn.ts';
import { measureMemberChanges } from './member-changes.ts';
import { findMembers } from './members.ts';
import { measureNewPolicy } from './new-policy.ts';
import { NodeUnderTest } from './node-under-test.ts';
import type { Rate } from './schedule.ts';

/** Number of measurements. */
interface Scale {
  readonly shape: Shape;
  readonly rounds: number;
  /** Changed pods per round. */
  readonly pods: number;
  readonly churn: Rate;
}

const scale: Scale = {
  shape: shapes.uniform,
  rounds: 15,
  pods: 100,
  churn: { seconds: 60, events: 500, concerning: 5 },
};

/** Latency of changes in a large cluster, from the event to the kernel's commit, and their cost on the node. */
export const changes: Bench = {
  name: 'changes',
  summary: 'changes in a cluster of 100,000 pods and 10,000 policies, from the event to the commit',
  against: 'one element, or one script of the same size, through the same door',
  run: (progress) => measureChanges(scale, progress),
};

async function measureChanges(
  { shape, rounds, pods, churn }: Scale,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  try {
    const node = await NodeUnderTest.up(shape, directory, progress);
    try {
      progress('looking for pods that matter');
      const members = await findMembers(node, shape, pods);
      return [
        ...(await measureMemberChanges(node, members, rounds, progress)),
        ...(await measureChurn(node, members, churn, progress)),
        // Last, because it adds pods.
        ...(await measureNewPolicy(node, shape, rounds, progress)),
      ];
    } finally {
      await node.down();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}
