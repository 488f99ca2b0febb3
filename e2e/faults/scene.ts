import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { AgentProcess, StartOptions } from '../../src/lab/agent-process.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { Lab } from '../../src/lab/lab.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import type { Tap } from '../../test/kernel/tap.ts';
import { ApiFront } from './api-front.ts';
import { BrokenNft, type NftMode } from './broken-nft.ts';
import { cast, policies, toggle } from './cast.ts';
import type { Share } from './result.ts';
import { openTaps, Traffic } from './traffic.ts';

export const nodes = ['n1', 'n2'] as const;
export type NodeName = (typeof nodes)[number];

/** A lab of two nodes with enforced policies, traffic, and agents with a breakable nft. */
export class Scene {
  readonly lab: Lab;
  readonly #nft: Readonly<Record<NodeName, BrokenNft>>;
  readonly #taps: ReadonlyMap<string, Tap>;
  #traffic: Traffic | undefined;
  #front: ApiFront | undefined;
  #isOpen = false;
  /** Sent packets of each toggled flow when packets showed that the toggle was shut. */
  #sentBeforeShut: readonly number[] | undefined;
  #toggledThrough = 0;

  private constructor(lab: Lab, nft: Readonly<Record<NodeName, BrokenNft>>, taps: ReadonlyMap<string, Tap>) {
    this.lab = lab;
    this.#nft = nft;
    this.#taps = taps;
  }

  static async open(name: string): Promise<Scene> {
    const nft = { n1: await BrokenNft.create(), n2: await BrokenNft.create() };
    const lab = await Lab.up({ name, objects: cast, agents: false });
    try {
      await lab.settle();
      const scene = new Scene(lab, nft, await openTaps(lab));
      await scene.#seeAll();
      lab.apply([...policies, toggle(false)]);
      await scene.mend();
      return scene;
    } catch (error) {
      await lab.down();
      await Promise.all(Object.values(nft).map((each) => each.remove()));
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#front?.close();
    await this.lab.down();
    await Promise.all(Object.values(this.#nft).map((each) => each.remove()));
  }

  get agents(): readonly AgentProcess[] {
    return nodes.map((node) => this.agent(node));
  }

  agent(node: NodeName): AgentProcess {
    return this.lab.agents.get(node)!;
  }

  /** Starts the agent with the node's own breakable nft. */
  start(node: NodeName, { args = [], env = {} }: StartOptions = {}): Promise<void> {
    return this.agent(node).start({ env: { ...this.agentEnv(this.#nft[node]), ...env }, args });
  }

  /** Restarts all agents, one after the other. */
  async restart(options?: StartOptions): Promise<void> {
    for (const node of nodes) {
      await this.agent(node).stop();
      await this.start(node, options);
    }
    await this.lab.settle();
  }

  /** Environment of an agent of this lab. */
  agentEnv(nft: BrokenNft): Readonly<Record<string, string>> {
    // Agents start from source here, and often.
    return { ...nft.env, NODE_COMPILE_CACHE: join(this.lab.state.directory, 'compile-cache') };
  }

  nft(node: NodeName): BrokenNft {
    return this.#nft[node];
  }

  /** Created at the first call. */
  async front(): Promise<ApiFront> {
    this.#front ??= await ApiFront.open(this.lab);
    return this.#front;
  }

  /** Sets the mode on every node. */
  async setNft(mode: NftMode, text?: string): Promise<void> {
    await Promise.all(Object.values(this.#nft).map((each) => each.become(mode, text)));
  }

  get traffic(): Traffic {
    assert.ok(this.#traffic, 'no traffic');
    return this.#traffic;
  }

  async startTraffic(): Promise<void> {
    this.#traffic = await Traffic.start(this.lab, this.#taps);
    await this.inForce();
  }

  async stopTraffic(): Promise<{ forbiddenThrough: Share; allowedLost: Share }> {
    await this.#countToggled();
    const { forbiddenThrough, allowedLost } = await this.traffic.stop();
    const bad = forbiddenThrough.bad + this.#toggledThrough;
    this.#toggledThrough = 0;
    this.#traffic = undefined;
    return { forbiddenThrough: { bad, of: forbiddenThrough.of }, allowedLost };
  }

  /** Whether the last change allows toggled packets. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Toggles the allowed port of guarded pods and applies other objects. Does not wait. */
  async change(...objects: readonly ApiObject[]): Promise<void> {
    await this.#countToggled();
    this.#isOpen = !this.#isOpen;
    this.lab.apply([toggle(this.#isOpen), ...objects]);
  }

  /** Milliseconds from `since` until every agent reports the last change as applied. Verifies it with packets. */
  async right(since: number, timeoutMs = 60_000): Promise<number> {
    await this.lab.settle(timeoutMs);
    const milliseconds = performance.now() - since;
    await this.inForce();
    return milliseconds;
  }

  /** Waits until packets show the state of the toggle. */
  async inForce(): Promise<void> {
    if (this.#isOpen) await this.traffic.toggledArrive();
    else this.#sentBeforeShut = await this.traffic.toggledSent();
  }

  /** Restores the state before a fault. `anew`: with new agents, because the state of the old ones is unknown. */
  async mend({ anew = false } = {}): Promise<void> {
    await this.setNft('ok');
    for (const node of nodes) {
      this.agent(node).reconnect();
      if (anew) await this.agent(node).stop('SIGKILL');
      if (!this.agent(node).isRunning) await this.start(node);
    }
    await this.lab.settle(120_000);
  }

  /** Milliseconds from `since` until packets show that the last change is enforced. For faults in which no agent answers. */
  async rightByPackets(since: number): Promise<number> {
    const at = this.#isOpen ? await this.traffic.toggledArrive() : await this.traffic.toggledEnd();
    await this.inForce();
    return at - since;
  }

  /** Value of a series, or sum of all series of a name, per node. */
  async metric(name: string): Promise<number[]> {
    return Promise.all(
      this.agents.map(async (agent) => {
        const lines = ((await agent.metrics()) ?? '').split('\n');
        const found = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
        return found.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
      }),
    );
  }

  /** Waits until a series has grown on every node. */
  async grown(series: string, before: readonly number[], by = 1): Promise<void> {
    await eventually(async () => {
      const now = await this.metric(series);
      const late = now.filter((value, index) => value < before[index]! + by);
      return late.length === 0 ? undefined : `${series} is still ${now.join(', ')} after ${before.join(', ')}`;
    });
  }

  async #countToggled(): Promise<void> {
    if (this.#sentBeforeShut === undefined) return;
    this.#toggledThrough += await this.traffic.toggledSince(this.#sentBeforeShut);
    this.#sentBeforeShut = undefined;
  }

  /** Positive control: without policies all packets arrive, and all taps count. */
  async #seeAll(): Promise<void> {
    const traffic = await Traffic.start(this.lab, this.#taps);
    await traffic.everythingArrives();
    await traffic.stop();
  }
}
