import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { writeListPages } from '../cluster/list-pages.ts';
import { shapes, type Shape } from '../cluster/shapes.ts';
import type { Bar, Bench, Figure } from '../figure.ts';
import { imageEnvironment, imageNodeFlags } from '../image-flags.ts';
import type { Measured } from './measured.ts';

const program = fileURLToPath(new URL('process.ts', import.meta.url));

interface Wanted {
  readonly shape: Shape;
  readonly runs: number;
  readonly seconds?: Bar;
  readonly memory?: Bar;
}

const wanted: readonly Wanted[] = [
  { shape: shapes.uniform, runs: 5, seconds: { atMost: 4 }, memory: { atMost: 500 } },
  { shape: shapes.antrea, runs: 5, seconds: { atMost: 5 } },
  { shape: shapes.ovn, runs: 3 },
  { shape: shapes.zipf, runs: 3 },
];

export const firstCompile: Bench = {
  name: 'compile',
  summary: 'what the first rule set of a node in a large cluster takes (B5)',
  async run(progress) {
    const figures = [];
    for (const each of wanted) figures.push(...(await measureShape(each, progress)));
    return figures;
  },
};

async function measureShape(
  { shape, runs, seconds, memory }: Wanted,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  try {
    progress(`${shape.name}: writing the lists`);
    writeListPages(shape, directory);
    const measured: Measured[] = [];
    for (let run = 0; run < runs; run++) {
      progress(`${shape.name}: run ${run + 1} of ${runs}`);
      measured.push(await runOnce(directory, shape.nodeName));
    }
    return figuresOf(shape, measured, seconds, memory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function runOnce(directory: string, nodeName: string): Promise<Measured> {
  const { stdout } = await execa(process.execPath, [...imageNodeFlags, program, directory, nodeName], {
    env: imageEnvironment,
  });
  return JSON.parse(stdout) as Measured;
}

function figuresOf(shape: Shape, measured: readonly Measured[], seconds?: Bar, memory?: Bar): Figure[] {
  const { objects, policies, localPods, scriptMB } = measured[0]!;
  const on = `${shape.name}: ${objects} objects; ${policies} policies on ${localPods} local pods, ${scriptMB.toFixed(1)} MB of script`;
  const figure = (what: string, unit: 's' | 'MB', value: (each: Measured) => number, bar?: Bar): Figure => {
    const runs = measured.map((each) => ({ value: value(each) }));
    return { id: 'B5', what: `${what}, ${on}`, unit, runs, ...(bar ? { bar } : {}) };
  };
  return [
    figure(
      'reading and decoding the lists, all events, compile and render',
      's',
      (each) => each.decode + each.receive + each.compile + each.render,
      seconds,
    ),
    figure('of this reading and decoding', 's', (each) => each.decode),
    figure('of this the events', 's', (each) => each.receive),
    figure('peak resident memory, decoding included', 'MB', (each) => each.peakMB, memory),
  ];
}
