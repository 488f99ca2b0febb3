import { setTimeout as wait } from 'node:timers/promises';
import { shapes } from '../cluster/shapes.ts';
import type { Bench, Figure } from '../figure.ts';
import type { ProcessMemory } from './image-agent.ts';
import { BenchNode } from './node.ts';

const runs = 5;
/** Delay between ready and the reading of the memory, so that the garbage of the start is collected. */
const restMs = 10_000;

export const agentMemory: Bench = {
  name: 'memory',
  summary: 'the memory of the agent, as the image runs it (B7)',
  async run(progress) {
    progress('a node and its cluster');
    const node = await BenchNode.up(shapes.small);
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
    } finally {
      await node.down();
    }
    return figuresOf(memories);
  },
};

function figuresOf(memories: readonly ProcessMemory[]): Figure[] {
  const { pods, policies, localPods } = shapes.small;
  const on = `${localPods} local pods of ${pods}, ${policies} policies, ipv4 and ipv6`;
  const figure = (what: string, read: (memory: ProcessMemory) => number): Figure => {
    return { id: 'B7', what: `${what}, ${on}`, unit: 'MB', runs: memories.map((memory) => ({ value: read(memory) })) };
  };
  return [
    { ...figure(`resident ${restMs / 1000} s after ready`, ({ resident }) => resident), bar: { atMost: 80 } },
    figure('of this not mapped from files', ({ anonymous }) => anonymous),
    figure('peak', ({ peak }) => peak),
  ];
}
