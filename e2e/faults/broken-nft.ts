import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from '../../test/kernel/eventually.ts';

/** How nft runs from now on: as it is, or failing at once, or never ending, or killed before or after its work, or refusing a text. */
export type NftMode = 'ok' | 'fail' | 'hang' | 'crash-before' | 'crash-after' | 'refuse';

/** Stands before the real nft on an agent's PATH. */
const program = `#!/bin/sh
folder=\${0%/*}
PATH=\${PATH#"$folder:"}
echo "$*" >>"$folder/runs"
read -r mode text <"$folder/mode"
case $mode in
fail)
  echo 'Error: this nft is broken' >&2
  exit 1
  ;;
hang) exec sleep 1000 ;;
crash-before) kill -SEGV $$ ;;
crash-after)
  nft "$@"
  kill -SEGV $$
  ;;
refuse)
  case "$*" in
  *'-f -')
    script=$(cat)
    case $script in
    *"$text"*)
      echo '/dev/stdin:1:1-1: Error: Could not process rule: Invalid argument' >&2
      exit 1
      ;;
    esac
    printf '%s\\n' "$script" | exec nft "$@"
    exit
    ;;
  esac
  ;;
esac
exec nft "$@"
`;

export class BrokenNft {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<BrokenNft> {
    const shim = new BrokenNft(await mkdtemp(join(tmpdir(), 'postern-faults-nft-')));
    await shim.become('ok');
    await shim.forgetRuns();
    await writeFile(join(shim.#folder, 'nft'), program, { mode: 0o755 });
    return shim;
  }

  /** What an agent must be started with. */
  get env(): Readonly<Record<string, string>> {
    return { PATH: `${this.#folder}${delimiter}${process.env['PATH']}` };
  }

  become(mode: NftMode, text = ''): Promise<void> {
    return writeFile(join(this.#folder, 'mode'), `${mode} ${text}\n`);
  }

  async forgetRuns(): Promise<void> {
    await writeFile(join(this.#folder, 'runs'), '');
  }

  /** How often agents have run it since: to write, or at all. */
  async runs(): Promise<{ writes: number; all: number }> {
    const lines = (await readFile(join(this.#folder, 'runs'), 'utf8')).split('\n').filter((line) => line !== '');
    return { writes: lines.filter((line) => line === '-f -').length, all: lines.length };
  }

  /** Waits until its agent has tried to write since `forgetRuns`. */
  async hasWritten(): Promise<void> {
    await eventually(async () => ((await this.runs()).writes > 0 ? undefined : 'nft was not run'));
  }

  /** Waits until agents have run it this often since `forgetRuns`. */
  async hasRun(times: number): Promise<void> {
    await eventually(async () => ((await this.runs()).all >= times ? undefined : 'nft was not run again'));
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}
