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
import type { BareRequest } from './bare-request.ts';

const namespace = 'bench-postern-twin';
const program = fileURLToPath(new URL('bare-nft.ts', import.meta.url));

/**
 * A network namespace with the rules of the measured node and no agent. The baselines run here: nft meets as many sets as on the node, and the node's
 * agent sees no transaction that is not its own.
 */
export class Twin {
  readonly #directory: string;
  readonly #nft: LineProcess;
  #commits: CommitWatch | undefined;
  readonly #passed: number[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
    this.#nft = new LineProcess(enterNamespace(namespace, process.execPath, [program]), (line) => {
      this.#passed.push(Number(line));
    });
  }

  /** @param directory for a compiled program */
  static async up(script: string, directory: string): Promise<Twin> {
    await deleteNamespace(namespace).catch(() => {});
    await createNamespace(namespace, routerSysctls);
    const twin = new Twin(directory);
    await twin.load(script);
    return twin;
  }

  /** Replaces all rules, unwatched: the kernel would report each of the elements. */
  async load(script: string): Promise<void> {
    await this.#commits?.end();
    await runInNamespace(namespace, 'nft', ['-f', '-'], { input: `flush ruleset\n${script}` });
    this.#commits = await CommitWatch.start(namespace, this.#directory);
  }

  /** Milliseconds from passing a script to nft until it is in force. */
  run(script: string, { apart = false } = {}): Promise<number> {
    return this.#time({ script, apart });
  }

  /** The same of one element by netlink. */
  write(element: 'addition' | 'removal'): Promise<number> {
    return this.#time({ element });
  }

  async #time(request: BareRequest): Promise<number> {
    await this.#nft.write(JSON.stringify(request));
    const [commit] = await this.#commits!.take(1);
    await this.#nft.until(() => this.#passed.length > 0);
    return commit!.at - this.#passed.shift()!;
  }

  static async remove(): Promise<void> {
    await deleteNamespace(namespace).catch(() => {});
  }
}
