import { shapes, type Shape } from '../cluster/shapes.ts';
import type { Bench, Figure } from '../figure.ts';
import { BenchNode } from './node.ts';

const runs = 9;

/** Every policy selects a pod of the node, so the kernel has the rules of all policies. */
const shape: Shape = {
  ...shapes.small,
  name: 'unchanged',
  seed: 8,
  policies: 5000,
  families: 'ipv4',
  subjects: 'local',
};

interface Start {
  readonly seconds: number;
  readonly writes: number;
  readonly reads: number;
  readonly elements: number;
}

export const agentStart: Bench = {
  name: 'start',
  summary: 'the start of the agent, as the image runs it, on a node whose kernel has all rules (B8)',
  async run(progress) {
    progress('a node and its cluster');
    const node = await BenchNode.up(shape);
    try {
      progress('first load');
      const first = await startOnce(node);
      const starts = [];
      for (let run = 0; run < runs; run++) {
        progress(`run ${run + 1} of ${runs}`);
        starts.push(await startOnce(node));
      }
      return figuresOf(first, starts);
    } finally {
      await node.down();
    }
  },
};

async function startOnce(node: BenchNode): Promise<Start> {
  await node.nft.reset();
  const agent = node.startAgent({ countsNft: true });
  const seconds = await agent.ready();
  const elements = await agent.metric('postern_ruleset_elements');
  await agent.end();
  // Read at the end, to include writes after ready.
  return { seconds, elements, ...(await node.nft.runs()) };
}

function figuresOf(first: Start, starts: readonly Start[]): Figure[] {
  const on = `${shape.policies} policies, ${first.elements} elements, unchanged in the kernel`;
  const figure = (what: string, unit: Figure['unit'], atMost: number, read: (start: Start) => number): Figure => {
    const values = starts.map((start) => ({ value: read(start) }));
    return { id: 'B8', what: `${what}, ${on}`, unit, bar: { atMost }, runs: values };
  };
  return [
    figure('from the start of the process to ready', 's', 2, ({ seconds }) => seconds),
    // Expected: one listing per table, and one that finds no bridge table.
    figure(`readings of a table (a first start: ${first.reads})`, 'runs of nft', 3, ({ reads }) => reads),
    figure(`transactions (a first start: ${first.writes})`, 'runs of nft', 0, ({ writes }) => writes),
  ];
}
