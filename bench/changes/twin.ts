import { fileURLToPath } from 'node:url';
import {
  createNamespace,
  deleteNamespace,
  enterNamespace,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { CommitWatch } from '../kernel/commit-watch.ts';
import { LineProcess } from '../line-process.ts';
import type { BareRequest } from './bare-nft.ts';

const namespace = 'bench-postern-twin';
const program = fileURLToPath(new URL('bare-nft.ts', import.meta.url));

/**
 * A network namespace with the rules of the measured node and no agent. The baselines run here: nft meets as many sets as on the node, and the node's
 * agent sees no transaction that is not its own.
 */
export class Twin {
  readonly #nft: LineProcess;
  readonly #commits: CommitWatch;
  readonly #passed: number[];

  private constructor(nft: LineProcess, commits: CommitWatch, passed: number[]) {
    this.#nft = nft;
    this.#commits = commits;
    this.#passed = passed;
  }

  /** @param directory for a compiled program */
  static async up(script: string, directory: string): Promise<Twin> {
    await deleteNamespace(namespace).catch(() => {});
    await createNamespace(namespace, routerSysctls);
    const passed: number[] = [];
    const nft = new LineProcess(enterNamespace(namespace, process.execPath, [program]), (line) => {
      passed.push(Number(line));
    });
    const twin = new Twin(nft, await CommitWatch.start(namespace, directory), passed);
    await twin.load(script);
    return twin;
  }

  /** Replaces all rules. */
  async load(script: string): Promise<void> {
    await runInNamespace(namespace, 'nft', ['-f', '-'], { input: `flush ruleset\n${script}` });
    await this.#commits.take(1);
  }

  /** Milliseconds from passing a script to nft until it is in force. */
  async run(script: string, { apart = false } = {}): Promise<number> {
    await this.#nft.write(JSON.stringify({ script, apart } satisfies BareRequest));
    const [commit] = await this.#commits.take(1);
    await this.#nft.until(() => this.#passed.length > 0);
    return commit!.at - this.#passed.shift()!;
  }

  async down(): Promise<void> {
    await Promise.all([this.#nft.end(), this.#commits.end()]);
    await Twin.remove();
  }

  static async remove(): Promise<void> {
    await deleteNamespace(namespace).catch(() => {});
  }
}
