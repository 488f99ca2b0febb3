import { execa, type Options } from 'execa';
import { passingTable } from '../nftables/element-batch.ts';
import { chainArguments, listArguments, mapArguments, setArguments, terseArguments } from '../nftables/parse.ts';
import type { TableFamily } from '../nftables/ruleset.ts';
import type { Enter } from './network-namespace.ts';
import { NftError, type NftErrorCode } from './nft-error.ts';

/** Runs nft(8): the only access to the rules in the kernel. All methods reject with an NftError. */
export interface Nft {
  /** Our table of the family as `nft -j` lists it, or `undefined` if it does not exist. */
  list(family: TableFamily, signal: AbortSignal): Promise<string | undefined>;
  /** The same table without the elements of its sets and maps (`nft -t`). */
  listTerse(family: TableFamily, signal: AbortSignal): Promise<string | undefined>;
  /** One chain of our table, in the form of `list`. */
  listChain(family: TableFamily, name: string, signal: AbortSignal): Promise<string | undefined>;
  /** One set of our table, in the form of `list`. */
  listSet(family: TableFamily, name: string, signal: AbortSignal): Promise<string | undefined>;
  /** One map of our table, in the form of `list`. */
  listMap(family: TableFamily, name: string, signal: AbortSignal): Promise<string | undefined>;
  /** Runs a script as one transaction, or with `check` only asks whether the kernel would accept it. */
  run(script: string, options: NftRunOptions): Promise<void>;
  /** Resolves when every packet is done that began before the call (K27). */
  awaitGracePeriod(signal: AbortSignal): Promise<void>;
}

export interface NftRunOptions {
  readonly check: boolean;
  readonly signal: AbortSignal;
  /** A shorter timeout than the default. */
  readonly timeoutMs?: number | undefined;
}

export interface NftOptions {
  /** A program name on the PATH, or a path. */
  readonly program?: string;
  /** The longest time that a run may take. Loading 100,000 elements takes a second; the limit ends a run that hangs. */
  readonly timeoutMs?: number;
  /** Bytes of a listing. */
  readonly maxBytes?: number;
  /** Default: this network namespace. */
  readonly enter?: Enter;
}

const mebibyte = 1 << 20;
/**
 * For a large table, nft allocates and frees millions of small blocks. Without glibc's fast bins, a listing takes a sixth less time and a load a tenth
 * less, because glibc need not consolidate them (mallopt(3), `M_MXFAST`). Other C libraries ignore the variable.
 */
const environment = { LC_ALL: 'C', GLIBC_TUNABLES: 'glibc.malloc.mxfast=0' } as const;

export function createNft({
  program = 'nft',
  timeoutMs: most = 60_000,
  maxBytes = 512 * mebibyte,
  enter = (file, args) => [file, args],
}: NftOptions = {}): Nft {
  const run = async (
    args: readonly string[],
    script: string,
    signal: AbortSignal,
    timeoutMs = most,
  ): Promise<string> => {
    const options = {
      input: script,
      env: environment,
      timeout: Math.min(timeoutMs, most),
      cancelSignal: signal,
      maxBuffer: maxBytes,
      stripFinalNewline: false,
      reject: false,
    } satisfies Options;
    const result = await execa(...enter(program, args), options);
    if (!result.failed) return result.stdout;
    const stderr = result.stderr ?? '';
    const code = codeOf(result, stderr);
    const firstLine = stderr.trim().split('\n')[0];
    const message =
      code === 'crashed' ? describeCrash(result.signal!) : firstLine || result.shortMessage || 'nft failed';
    throw new NftError(code, message, { stderr, script, cause: result });
  };
  const list = async (args: readonly string[], signal: AbortSignal): Promise<string | undefined> => {
    try {
      return await run(args, '', signal);
    } catch (error) {
      if (error instanceof NftError && error.code === 'failed' && isNotThere(error.stderr, args)) return undefined;
      throw error;
    }
  };
  return {
    list: (family, signal) => list(listArguments(family), signal),
    listTerse: (family, signal) => list(terseArguments(family), signal),
    listChain: (family, name, signal) => list(chainArguments(family, name), signal),
    listSet: (family, name, signal) => list(setArguments(family, name), signal),
    listMap: (family, name, signal) => list(mapArguments(family, name), signal),
    async run(script, { check, signal, timeoutMs }) {
      await run(check ? ['-c', '-f', '-'] : ['-f', '-'], script, signal, timeoutMs);
    },
    // The kernel waits before it drops a transaction that is only checked. No packet and no other program ever sees its table.
    async awaitGracePeriod(signal) {
      await run(['-c', `add table ip ${passingTable}`], '', signal);
    },
  };
}

interface Failure {
  readonly timedOut: boolean;
  readonly isCanceled: boolean;
  readonly isMaxBuffer: boolean;
  readonly code?: string | undefined;
  readonly signal?: string | undefined;
}

function codeOf(failure: Failure, stderr: string): NftErrorCode {
  if (failure.timedOut) return 'timeout';
  if (failure.isCanceled) return 'aborted';
  if (failure.signal !== undefined && !failure.isMaxBuffer) return 'crashed';
  if (failure.code === 'ENOENT') return 'missing';
  if (stderr.includes('Operation not permitted') || failure.code === 'EACCES') return 'denied';
  return /^\/dev\/stdin:[0-9]+:/m.test(stderr) ? 'refused' : 'failed';
}

/** An old nft crashes when it lists sets with data that only a newer nft understands (kubernetes/kubernetes issue 136786; K34). */
export function describeCrash(signal: string): string {
  const crashed = `nft was ended by ${signal}`;
  if (!['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL'].includes(signal)) return crashed;
  return `${crashed}: a newer nft may have written data that this nft cannot read; use an image whose nft is at least as new as every other nft on the node`;
}

function isNotThere(stderr: string, args: readonly string[]): boolean {
  return (
    stderr.startsWith('Error: No such file or directory') && stderr.includes(args.slice(args.indexOf('list')).join(' '))
  );
}
