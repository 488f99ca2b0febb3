import { inspect } from 'node:util';
import { setTimeout as wait } from 'node:timers/promises';
import type { ImageAgent } from '../agent/image-agent.ts';
import { BenchNode } from '../agent/node.ts';
import type { EventType } from '../agent/server-objects.ts';
import type { Shape } from '../cluster/shapes.ts';
import type { Commit, CommitWatch } from '../kernel/commit-watch.ts';
import { SilentProcess } from '../line-process.ts';
import { Forecast, scriptOf, type ForecastStage } from './forecast.ts';
import type { PodObject } from './pods.ts';
import { settle } from './settle.ts';
import { Twin } from './twin.ts';

/** A transaction of the agent: the forecast stage, and when the kernel committed it. */
export interface Stage extends ForecastStage {
  readonly at: number;
}

/** One event, and the transactions that it took. */
export interface Change {
  /** When the API server wrote the event to its watch. */
  readonly sent: number;
  readonly stages: readonly Stage[];
}

const mostTries = 10;
/** Of the commits of one change. The largest cluster needs some seconds. */
const commitLimitMs = 60_000;

/** The agent committed before the event was sent, so the commits after it belong to other changes. */
class EarlyCommit extends Error {}

/** A node with the agent as the image runs it, a watch of the kernel's commits, the forecast of the agent's work, and a twin for baselines. */
export class MeasuredNode {
  readonly #node: BenchNode;
  readonly #commits: CommitWatch;
  readonly #forecast: Forecast;
  /** Events that the forecast has not received yet. */
  readonly #ahead: [EventType, object][] = [];
  readonly agent: ImageAgent;
  readonly twin: Twin;

  private constructor(node: BenchNode, agent: ImageAgent, commits: CommitWatch, forecast: Forecast, twin: Twin) {
    this.#node = node;
    this.agent = agent;
    this.#commits = commits;
    this.#forecast = forecast;
    this.twin = twin;
  }

  /** Runs `work` on a node whose agent has applied the whole cluster. */
  static async with<Result>(
    shape: Shape,
    progress: (message: string) => void,
    work: (node: MeasuredNode) => Promise<Result>,
  ): Promise<Result> {
    progress('a node and its cluster');
    const node = await BenchNode.up(shape);
    try {
      progress('the forecast');
      const forecast = new Forecast(shape);
      const stages = forecast.stages();
      progress('first load');
      const agent = node.startAgent();
      await agent.ready();
      const twin = await Twin.up(scriptOf(stages), node.directory);
      const measured = new MeasuredNode(node, agent, await node.watchCommits(), forecast, twin);
      await measured.settle();
      return await work(measured);
    } finally {
      await Twin.remove();
      await node.down();
    }
  }

  /** Sends an event. `matters` is false where the forecast need not know of it. Returns the number of the event. */
  tell(type: EventType, object: object, { matters = true } = {}): number {
    if (matters) this.#ahead.push([type, object]);
    return this.#node.tell(type, object);
  }

  /** It receives what was sent only now, so that its work does not delay the events, nor the agent. */
  get forecast(): Forecast {
    for (const event of this.#ahead.splice(0)) this.#forecast.receive(...event);
    return this.#forecast;
  }

  sentAt(event: number): Promise<number> {
    return this.#node.sentAt(event);
  }

  /** Sends one event, and waits for all transactions that it takes. */
  async change(type: EventType, object: object): Promise<Change> {
    // Before the event, so that the agent has the processors to itself.
    this.forecast.receive(type, object);
    const stages = this.forecast.stages();
    const event = this.#node.tell(type, object);
    const commits = await this.#commits.take(stages.length, commitLimitMs);
    const sent = await this.sentAt(event);
    if (commits.some(({ at }) => at < sent)) throw new EarlyCommit(`a commit came before the event of ${type}`);
    return { sent, stages: stages.map((stage, i) => ({ ...stage, at: commits[i]!.at })) };
  }

  /** Adds pods to this node, as its runtime and the API server report them, with what they need. */
  async add(objects: readonly object[]): Promise<void> {
    await this.#node.makeSandboxes(objects);
    this.forecast.sandboxes(objects);
    for (const object of objects) this.tell('ADDED', object);
    await this.settle();
  }

  /** Gives a pod that `add` has added a network namespace of its own. Returns its name. */
  openSandbox(pod: PodObject): Promise<string> {
    return this.#node.openSandbox(pod);
  }

  get directory(): string {
    return this.#node.directory;
  }

  /**
   * Waits until the agent has applied all events. Returns the commits that no change has taken. Throws if the kernel does not hold what the forecast has:
   * then figures would be those of other changes.
   */
  async settle(): Promise<Commit[]> {
    const commits = await settle({
      drain: () => this.#commits.drain(),
      hasApplied: () => this.#node.hasApplied(this.agent),
      now: () => performance.now(),
      wait,
    });
    // Not before: the forecast would take processor time from the agent.
    this.forecast.stages();
    const held = await this.agent.metric('postern_ruleset_elements');
    const { forecast } = this;
    if (!forecast.mayHave(held))
      throw new Error(`the kernel has ${held} elements, the forecast has ${forecast.elements}`);
    return commits;
  }

  /**
   * Runs `work` again if the agent made other commits than the forecast, because times would belong to other changes. If the machine stands still for two
   * seconds, the agent reads its tables again and leaves the flow sets. That is one commit more. A change that comes then takes one commit less.
   * Throws if that happens each time.
   * @param undo Sends the events that revert `work`, which may have stopped in the middle.
   */
  async undisturbed<Result>(work: () => Promise<Result>, undo: () => void): Promise<Result> {
    for (let tries = 1; ; tries++) {
      const outcome = await this.#attempt(work);
      if (!outcome) undo();
      // A commit that no change has taken may have been taken for that of the last change, which then still has to come.
      const left = await this.settle();
      if (outcome && left.length === 0) return outcome.result;
      if (tries === mostTries) {
        throw new Error(`a commit did not come, or these were unexpected: ${inspect(left, { depth: 4 })}`);
      }
    }
  }

  /** Returns `undefined` if a forecast commit did not come, or another one came before it. */
  async #attempt<Result>(work: () => Promise<Result>): Promise<{ readonly result: Result } | undefined> {
    try {
      return { result: await work() };
    } catch (error) {
      if (error instanceof SilentProcess || error instanceof EarlyCommit) return undefined;
      throw error;
    }
  }
}
