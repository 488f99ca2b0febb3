import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from '../../test/kernel/eventually.ts';

/** Behaviour of nft: normal, fails at once, hangs, is killed before or after its work, or refuses scripts with a text. */
export type NftMode = 'ok' | 'fail' | 'hang' | 'crash-before' | 'crash-after' | 'refuse';

/** A wrapper that precedes the real nft on an agent's PATH. */
const program = `#!/bin/sh
folder=\${0%/*}
PATH=\${PATH#"$folder:"}
echo "$*" >>"$folder/runs"
read -r mode text <"$folder/mode"
case "$mode $*" in
ok*-i)
  echo $$ >"$folder/kept"
  tee -a "$folder/said" | nft "$@"
  exit
  ;;
refuse*-i) exit 1 ;;
esac
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

  /** Environment for the agent. nft writes all changes: netlink would write some of them although nft fails. */
  get env(): Readonly<Record<string, string>> {
    return { PATH: `${this.#folder}${delimiter}${process.env['PATH']}`, POSTERN_NETLINK: 'false' };
  }

  /** Changes the mode, and kills the agent's nft session so that the agent starts a new one. */
  async become(mode: NftMode, text = ''): Promise<void> {
    // Atomic: an nft that read half of the file would run as the real one, and the agent would keep that session.
    const path = join(this.#folder, 'mode');
    await writeFile(`${path}.next`, `${mode} ${text}\n`);
    await rename(`${path}.next`, path);
    await this.killKept();
  }

  /** Kills the nft session, if there is one. */
  async killKept(): Promise<void> {
    const pid = Number(await readFile(join(this.#folder, 'kept'), 'utf8').catch(() => '0'));
    await rm(join(this.#folder, 'kept'), { force: true });
    try {
      if (pid > 0) process.kill(pid, 'SIGKILL');
    } catch (error) {
      // The session has ended by itself.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async forgetRuns(): Promise<void> {
    for (const name of ['runs', 'said']) await writeFile(join(this.#folder, name), '');
  }

  /** Number of runs since `forgetRuns`: writes, and all runs. */
  async runs(): Promise<{ writes: number; all: number }> {
    const linesOf = async (name: string) => (await readFile(join(this.#folder, name), 'utf8')).split('\n');
    const [runs, said] = [await linesOf('runs'), await linesOf('said')];
    const commands = said.filter((line) => line !== '' && line !== 'done');
    const writes = runs.filter((line) => line === '-f -').length;
    return {
      writes: writes + commands.filter((line) => !line.startsWith('list ')).length,
      all: runs.filter((line) => line !== '').length + commands.length,
    };
  }

  /** Waits until the agent has tried to write since `forgetRuns`. */
  async hasWritten(): Promise<void> {
    await eventually(async () => ((await this.runs()).writes > 0 ? undefined : 'nft was not run'));
  }

  /** Waits until agents have run nft this often since `forgetRuns`. */
  async hasRun(times: number): Promise<void> {
    await eventually(async () => ((await this.runs()).all >= times ? undefined : 'nft was not run again'));
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}
