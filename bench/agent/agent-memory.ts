import { setTimeout as wait } from 'node:timers/promises';
import { shapes, type Shape } from '../cluster/shapes.ts';
import type { Bar, Bench, Figure } from '../figure.ts';
import { settledKernelMemory } from '../kernel/memory.ts';
import type { ProcessMemory } from './image-agent.ts';
import { BenchNode } from './node.ts';

/** Delay between ready and the reading of the memory, so that the garbage of the start is collected. */
const restMs = 10_000;

interface Wanted {
  readonly shape: Shape;
  readonly runs: number;
  readonly resident?: Bar;
  readonly kernel?: Bar;
}

const wanted: readonly Wanted[] = [
  { shape: shapes.small, runs: 5, resident: { atMost: 100 }, kernel: { atMost: 80 } },
  { shape: shapes.uniform, runs: 3 },
  { shape: shapes.zipf, runs: 3 },
];

export const agentMemory: Bench = {
  name: 'memory',
  summary: 'the memory of the agent, as the image runs it, and of the kernel for its rules (B7)',
  async run(progress) {
    const figures: Figure[] = [];
    for (const each of wanted) {
      figures.push(...(await measureShape(each, (message) => progress(`${each.shape.name}: ${message}`))));
    }
    return figures;
  },
};

async function measureShape(
  { shape, runs, resident, kernel }: Wanted,
  progress: (message: string) => void,
): Promise<Figure[]> {
  progress('a node and its cluster');
  const node = await BenchNode.up(shape);
  const memories: ProcessMemory[] = [];
  try {
    for (let run = 0; run < runs; run++) {
      progress(`run ${run + 1} of ${runs}`);
      const agent = node.startAgent();
      await agent.ready();
      await wait(restMs);
      memories.push(await agent.memory());
      await agent.end();
    }
    progress("the kernel's memory");
    const rules = await rulesMemory(node);
    const { name, pods, policies, localPods, families } = shape;
    const on = `${name}: ${localPods} local pods of ${pods}, ${policies} policies, ${families === 'dual' ? 'ipv4 and ipv6' : families}`;
    const figure = (what: string, values: readonly number[], bar?: Bar): Figure => {
      const measured = values.map((value) => ({ value }));
      return { id: 'B7', what: `${what}, ${on}`, unit: 'MB', runs: measured, ...(bar && { bar }) };
    };
    const column = (field: keyof ProcessMemory): number[] => memories.map((memory) => memory[field]);
    return [
      figure(`resident ${restMs / 1000} s after ready`, column('resident'), resident),
      figure('of this not mapped from files', column('anonymous')),
      figure('peak', column('peak')),
      figure("the kernel's, for the rules", [rules], kernel),
    ];
  } finally {
    await node.down();
  }
}

/** What the kernel frees with the rules. The agent has ended, and they stay until then. */
async function rulesMemory(node: BenchNode): Promise<number> {
  const held = await settledKernelMemory();
  await node.nftOutput('flush', 'ruleset');
  return held - (await settledKernelMemory());
}
