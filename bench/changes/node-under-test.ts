import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { createNamespace, deleteNamespace, enterNamespace, routerSysctls } from '../../src/lab/network-namespace.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import { clusterObjects } from '../cluster/objects.ts';
import type { Shape } from '../cluster/shapes.ts';
import { CommitWatch } from './commit-watch.ts';
import { LineProcess } from './line-process.ts';
import type { Applied, AppliedStage, Reply, Request } from './protocol.ts';
import { sandboxOf } from './sandboxes.ts';

const namespace = 'bench-postern-changes';
const agentProgram = fileURLToPath(new URL('agent-under-test.ts', import.meta.url));
const watchSource = fileURLToPath(new URL('watch-commits.c', import.meta.url));

/** A run of the measured agent that changed the kernel, with the commit time of each stage. */
export interface Change extends Applied {
  readonly stages: readonly (AppliedStage & { readonly at: number })[];
}

type Answer = 'ran' | 'settled' | 'groups' | 'processor' | 'memory';

/** A node: the agent in its own process and network namespace, and a watch of the kernel's commits there. */
export class NodeUnderTest {
  readonly #agent: LineProcess;
  #commits: CommitWatch | undefined;
  readonly #answers: Reply[] = [];
  /** Runs that `next` has not returned yet. */
  #applied: Applied[] = [];
  #told = 0;

  private constructor(shape: Shape) {
    const command = ['--expose-gc', agentProgram, shape.nodeName];
    this.#agent = new LineProcess(enterNamespace(namespace, process.execPath, command), (line) => {
      const reply = JSON.parse(line) as Reply;
      if (reply.applied) this.#applied.push(reply.applied);
      else this.#answers.push(reply);
    });
  }

  /** Sends all objects of the cluster to the agent, and waits until it has applied them. */
  static async up(shape: Shape, directory: string, progress: (message: string) => void): Promise<NodeUnderTest> {
    const program = `${directory}/watch-commits`;
    await execa('cc', ['-O2', '-o', program, watchSource]);
    await deleteNamespace(namespace).catch(() => {});
    await createNamespace(namespace, routerSysctls);
    const node = new NodeUnderTest(shape);
    try {
      await node.#load(shape, progress);
      node.#commits = await CommitWatch.start(enterNamespace(namespace, program, []));
      return node;
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  async #load(shape: Shape, progress: (message: string) => void): Promise<void> {
    let told = 0;
    for (const object of clusterObjects(shape)) {
      await this.tell({ type: 'ADDED', object });
      const sandbox = sandboxOf(object, shape.nodeName);
      if (sandbox) await this.tell({ fact: { op: 'sandbox', id: sandbox.id, value: sandbox } });
      if (++told % 1000 === 0) progress(`${told} objects told`);
    }
    for (const synced of resourceNames) await this.tell({ synced });
    progress('first load');
    await this.ask('settled');
    this.#applied = [];
  }

  /** Sends a request. Resolves when the agent's input has room. */
  tell(request: Request): Promise<void> {
    this.#count(request);
    return this.#agent.write(JSON.stringify(request));
  }

  /** Sends a request without waiting. If the agent is slow, requests queue up. */
  post(request: Request): void {
    this.#count(request);
    this.#agent.post(JSON.stringify(request));
  }

  /** Number of sent events. */
  get told(): number {
    return this.#told;
  }

  async ask<Name extends Exclude<Answer, 'ran'>>(name: Name): Promise<NonNullable<Reply[Name]>> {
    await this.tell({ ask: name });
    return this.#answer(name);
  }

  /** Sends one event, and waits until its changes are in force. */
  async change(request: Request): Promise<{ seen: number; done: number; changes: readonly Change[] }> {
    await this.tell(request);
    const { seen, applied } = await this.ask('settled');
    const changes = [];
    for (let change = await this.next(); change; change = await this.next()) changes.push(change);
    return { seen, done: applied, changes };
  }

  /** The oldest reported run that was not returned yet; `undefined` if there is none. */
  async next(): Promise<Change | undefined> {
    const applied = this.#applied.shift();
    if (!applied) return undefined;
    const times = await this.#commits!.take(applied.stages.length);
    return { ...applied, stages: applied.stages.map((stage, i) => ({ ...stage, at: times[i]! })) };
  }

  /** Milliseconds from passing a script to nft until it is in force. */
  async run(script: string, { apart = false } = {}): Promise<number> {
    await this.tell({ run: script, ...(apart && { apart }) });
    const ran = await this.#answer('ran');
    const [at] = await this.#commits!.take(1);
    return at! - ran;
  }

  async down(): Promise<void> {
    await Promise.all([this.#agent.end(), this.#commits?.end()]);
    await deleteNamespace(namespace).catch(() => {});
  }

  #count(request: Request): void {
    if (!('run' in request || 'ask' in request)) this.#told++;
  }

  async #answer<Name extends Answer>(name: Name): Promise<NonNullable<Reply[Name]>> {
    await this.#agent.until(() => this.#answers.length > 0);
    const answer = this.#answers.shift()![name];
    if (answer === undefined) throw new Error(`the agent did not answer about ${name}`);
    return answer;
  }

  /** Throws if there were unexpected commits, because times would belong to other changes. */
  assertQuiet(): void {
    if (this.#commits!.left > 0) throw new Error(`${this.#commits!.left} unexpected commits`);
  }
}
