import type { Bench, Figure } from '../figure.ts';
import { shapes } from '../cluster/shapes.ts';
import { settledKernelMemory } from '../kernel/memory.ts';
import { churn, describeRate } from './churn.ts';
import { timeFigures } from './latency.ts';
import { MeasuredNode } from './measured-node.ts';
import { findMembers } from './members.ts';
import type { Rate } from './schedule.ts';

const shape = shapes.small;
const minutes = 60;
const minute: Rate = { seconds: 60, events: 500, concerning: 5 };
/** The heap finds its size in the first minutes. */
const warmUp = 5;

/** What an hour of churn leaves behind in the agent and in the kernel. */
export const hourOfChurn: Bench = {
  name: 'hour',
  summary: 'an hour of churn on the agent as the image runs it: what grows (B6; only when named)',
  byDefault: false,
  run: (progress) =>
    MeasuredNode.with(shape, progress, async (node) => {
      const members = findMembers(node, shape, 100);
      const kernelBefore = await settledKernelMemory();
      const resident: number[] = [];
      const latencies: number[][] = [];
      let lost = 0;
      for (let i = 0; i < minutes; i++) {
        const { after, ...seen } = await churn(node, members, minute, (message) => {
          progress(`minute ${i + 1} of ${minutes}: ${message}`);
        });
        resident.push(after.resident);
        latencies.push(seen.latencies.filter((each) => each !== undefined));
        lost += seen.waiting;
      }
      const kernelAfter = await settledKernelMemory();
      const on = `${shape.name}: ${minutes} minutes of ${describeRate(minute)}`;
      const single = (what: string, unit: Figure['unit'], value: number, bar?: Figure['bar']): Figure => {
        return { id: 'B6', what: `${on}: ${what}`, unit, ...(bar && { bar }), runs: [{ value }] };
      };
      const measured = latencies.filter(({ length }) => length > 0);
      const growth = resident.at(-1)! / resident[warmUp - 1]!;
      return [
        single(`resident memory, at the end over minute ${warmUp}`, 'ratio', growth, { atMost: 1.1 }),
        single('resident memory, the most', 'MB', Math.max(...resident)),
        single("the kernel's memory, what it grew by", 'MB', kernelAfter - kernelBefore, { atMost: 10 }),
        single('not in force at the end of their minute', 'changes waiting', lost, { atMost: minutes }),
        ...timeFigures('B6', `${on}: label, event sent → in force, by minute`, measured),
      ];
    }),
};
