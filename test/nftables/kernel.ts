import { spawnSync } from 'node:child_process';
import { listArguments, parseTable } from '../../src/nftables/parse.ts';
import { tableFamilies, type Ruleset, type Table, type TableFamily } from '../../src/nftables/ruleset.ts';

/** Our tables in the real kernel, in a network namespace of its own. */
export class Kernel {
  readonly #namespace: string;

  private constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** A kernel to test with, or what the machine lacks for it. */
  static open(name: string): Kernel | string {
    if (process.getuid?.() !== 0) return 'not root: no network namespace to load rules in';
    if (spawnSync('nft', ['--version']).error) return 'no nft on the PATH';
    const kernel = new Kernel(`postern-test-${name}-${process.pid}`);
    const added = spawnSync('ip', ['netns', 'add', kernel.#namespace], { encoding: 'utf8' });
    if (added.error || added.status !== 0)
      return `no network namespace: ${added.error?.message ?? added.stderr.trim()}`;
    const probe = kernel.#nft(['list', 'ruleset'], '');
    if (probe.status === 0) return kernel;
    kernel.close();
    return `no nf_tables: ${probe.stderr.trim()}`;
  }

  get namespacePath(): string {
    return `/run/netns/${this.#namespace}`;
  }

  /** `undefined` if the script was taken, else what nft says. */
  run(script: string, options: { check?: true } = {}): string | undefined {
    const { status, stderr } = this.#nft([...(options.check ? ['-c'] : []), '-f', '-'], script);
    return status === 0 ? undefined : stderr;
  }

  list(): Ruleset {
    const tables = tableFamilies.flatMap((family) => {
      const table = this.#list(family);
      return table ? [[family, table] as const] : [];
    });
    return Object.fromEntries(tables);
  }

  #list(family: TableFamily): Table | undefined {
    const { status, stdout, stderr } = this.#nft(listArguments(family), '');
    if (status === 0) return parseTable(family, stdout);
    if (stderr.includes('No such file or directory')) return undefined;
    throw new Error(stderr);
  }

  reset(): void {
    this.#nft(['flush', 'ruleset'], '');
  }

  close(): void {
    spawnSync('ip', ['netns', 'delete', this.#namespace]);
  }

  #nft(args: readonly string[], input: string): { status: number | null; stdout: string; stderr: string } {
    return spawnSync('nsenter', [`--net=${this.namespacePath}`, 'nft', ...args], {
      input,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
  }
}
