import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * Stands before the real nft on an agent's PATH, which keeps none where each run is to be seen. Each run is noted; a script that holds a refused text gets the answer of a kernel
 * that does not take it; the agent, which is the parent, can be killed before or after its n-th write.
 */
const program = `#!/bin/sh
folder=\${0%/*}
PATH=\${PATH#"$folder:"}
case "$*" in
'-f -' | '-c -f -')
  script=$(cat)
  # The mark of unsaved rules is not part of a change.
  if ! printf '%s\\n' "$script" | grep -qv ' postern-unsaved$'; then
    printf '%s\\n' "$script" | nft "$@"
    exit
  fi ;;
esac
echo "$*" >>"$folder/runs"
case "$*" in
'-f -' | '-c -f -') ;;
*-i) exit 1 ;;
*) exec nft "$@" ;;
esac
if [ -s "$folder/refused" ] && printf '%s\\n' "$script" | grep -qFf "$folder/refused"; then
  echo '/dev/stdin:1:1-1: Error: Could not process rule: Invalid argument' >&2
  exit 1
fi
write=$(grep -cx -- '-f -' "$folder/runs")
kill=$(cat "$folder/kill")
[ "$* $kill" != "-f - before $write" ] || { kill -KILL $PPID; exit 1; }
printf '%s\\n' "$script" | nft "$@"
code=$?
[ "$* $kill" != "-f - after $write" ] || kill -KILL $PPID
exit $code
`;

export class NftShim {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<NftShim> {
    const shim = new NftShim(await mkdtemp(join(tmpdir(), 'postern-nft-')));
    await writeFile(join(shim.#folder, 'nft'), program, { mode: 0o755 });
    await shim.reset();
    return shim;
  }

  /** What an agent must be started with. nft writes all changes, so that each is a run. */
  get env(): Readonly<Record<string, string>> {
    return { PATH: `${this.#folder}${delimiter}${process.env['PATH']}`, POSTERN_NETLINK: 'false' };
  }

  /** Counts from zero again, and does nothing by itself but that. */
  async reset(): Promise<void> {
    await this.#write('runs', '');
    await this.#write('kill', '');
    await this.#write('refused', '');
  }

  /** From now on. `write` counts from 1. */
  async killAt(moment: 'before' | 'after', write: number): Promise<void> {
    await this.reset();
    await this.#write('kill', `${moment} ${write}`);
  }

  async refuse(text: string): Promise<void> {
    await this.reset();
    await this.#write('refused', `${text}\n`);
  }

  /** How often the agent has run nft since the last reset: to change something, or to ask whether it could. */
  async runs(): Promise<{ writes: number; checks: number }> {
    const lines = (await readFile(join(this.#folder, 'runs'), 'utf8')).split('\n');
    const count = (wanted: string): number => lines.filter((line) => line === wanted).length;
    return { writes: count('-f -'), checks: count('-c -f -') };
  }

  /** How often it has listed a whole table since then. */
  async lists(): Promise<number> {
    const lines = (await readFile(join(this.#folder, 'runs'), 'utf8')).split('\n');
    return lines.filter((line) => line.includes('list table ')).length;
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  #write(name: string, text: string): Promise<void> {
    return writeFile(join(this.#folder, name), text);
  }
}
