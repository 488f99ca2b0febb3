import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Bench, Entry } from '../bench.ts';
import { interleave } from '../measure.ts';
import { baseline, rulesOf, variants, type Variant } from './rule-sets.ts';
import { layouts, Scene, type Layout } from './scene.ts';

const rounds = 25;
const milliseconds = 200;

/** What small packets cost between two pods of a node, against the same path with connection tracking alone. */
export const packetCost: Bench = {
  name: 'packets',
  summary: 'a small UDP packet between two pods of a node, with rules, gate and guard',
  against: 'the same path with connection tracking alone',
  async run(progress) {
    const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
    try {
      const program = join(directory, 'send');
      await execa('cc', ['-O2', '-o', program, fileURLToPath(new URL('send.c', import.meta.url))]);
      const entries: Entry[] = [];
      for (const layout of layouts) entries.push(...(await measureLayout(layout, program, progress)));
      return entries;
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

async function measureLayout(layout: Layout, program: string, progress: (message: string) => void): Promise<Entry[]> {
  const scene = await Scene.up(layout, program);
  try {
    const scripts = new Map(variants.map((variant) => [variant, rulesOf(variant, layout)]));
    const all: readonly (Variant | undefined)[] = [undefined, ...variants];
    const least = await interleave(
      all,
      rounds,
      async (variant) => {
        await scene.load(variant ? scripts.get(variant)! : baseline);
        const before = await scene.received();
        const cost = await scene.nanosecondsPerPacket(milliseconds);
        if ((await scene.received()) === before) throw new Error(`${layout}, ${variant?.name}: no packet arrives`);
        return cost;
      },
      (done, of) => progress(`${layout}: ${done} of ${of} runs`),
    );
    const alone = least.get(undefined)!;
    return variants.map((variant) => {
      return {
        id: `packets/${layout}`,
        what: `${layout}: ${variant.name}`,
        cost: least.get(variant)!,
        baseline: alone,
      };
    });
  } finally {
    await scene.down();
  }
}
