import { setTimeout as wait } from 'node:timers/promises';
import type { Bench, Figure } from '../figure.ts';
import type { ImageAgent } from '../agent/image-agent.ts';
import { BenchNode } from '../agent/node.ts';
import { baseObjects, nodeName, victimAddress, victimPolicy } from './cluster.ts';
import { hostileShapes, type HostileShape } from './shapes.ts';
import { ProcessWatch, type NftUse } from './watch-processes.ts';

/** Measured time after the policies are created, and again after they are deleted. */
const attackMs = 15_000;
const changeEveryMs = 500;
const patienceMs = 60_000;

interface Suffered extends NftUse {
  /** Milliseconds until each change of another namespace was in force. */
  readonly changes: readonly number[];
  readonly healthMs: number;
  readonly agentMB: number;
}

export const hostile: Bench = {
  name: 'hostile',
  summary: 'what an API user of one namespace can do to others on a node, at the worst (H1)',
  async run(progress) {
    const figures: Figure[] = [];
    for (const shape of hostileShapes) {
      progress(shape.name);
      figures.push(...figuresOf(shape, await measure(shape)));
    }
    return figures;
  },
};

async function measure(shape: HostileShape): Promise<Suffered> {
  const node = await BenchNode.of(nodeName, baseObjects);
  try {
    const agent = node.startAgent();
    await agent.ready();
    const nft = new ProcessWatch(agent.pid);
    const health = new HealthWatch(agent);
    const victim = new Victim(node);
    for (const type of ['ADDED', 'DELETED'] as const) {
      for (const policy of shape.policies()) node.tell(type, policy);
      await victim.change(attackMs);
    }
    const { peak } = await agent.memory();
    const [use, healthMs] = await Promise.all([nft.stop(), health.stop()]);
    await agent.end();
    return { ...use, healthMs, changes: victim.times, agentMB: peak };
  } finally {
    await node.down();
  }
}

/** Changes its policy in a loop, and finds out when the dispatch map has another class for its address. */
class Victim {
  readonly #node: BenchNode;
  readonly times: number[] = [];
  #changes = 0;

  constructor(node: BenchNode) {
    this.#node = node;
  }

  async change(forMs: number): Promise<void> {
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      const before = await this.#class();
      const told = performance.now();
      this.#node.tell('MODIFIED', victimPolicy(++this.#changes));
      while ((await this.#class()) === before && performance.now() - told < patienceMs) await wait(10);
      this.times.push(performance.now() - told);
      await wait(changeEveryMs);
    }
  }

  async #class(): Promise<string | undefined> {
    const listing = await this.#node.nftOutput('list', 'map', 'ip', 'postern', 'ingress4');
    return new RegExp(`\\b${victimAddress} : \\S+ (\\S+)`).exec(listing)?.[1];
  }
}

class HealthWatch {
  readonly #agent: ImageAgent;
  #longest = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(agent: ImageAgent) {
    this.#agent = agent;
    this.#running = this.#run();
  }

  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#running;
    return this.#longest;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#longest = Math.max(this.#longest, await this.#agent.health());
      await wait(50);
    }
  }
}

function figuresOf({ name }: HostileShape, { changes, healthMs, agentMB, peakMB, longestSeconds }: Suffered): Figure[] {
  const figure = (what: string, unit: Figure['unit'], value: number, atMost: number): Figure => {
    return { id: 'H1', what: `${what}; ${name}`, unit, bar: { atMost }, runs: [{ value }] };
  };
  return [
    figure("another namespace's change in force, the slowest", 's', Math.max(...changes) / 1000, 2),
    figure('/healthz, the slowest', 's', healthMs / 1000, 1),
    figure('the agent, peak resident', 'MB', agentMB, 300),
    figure('nft, peak resident', 'MB', peakMB, 300),
    figure('nft, the longest run', 's', longestSeconds, 10),
  ];
}
