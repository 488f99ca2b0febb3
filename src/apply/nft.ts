import { execa, type Options } from 'execa';
import { chainArguments, listArguments, setArguments, terseArguments } from '../nftables/parse.ts';
import type { TableFamily } from '../nftables/ruleset.ts';
import { NftError, type NftErrorCode } from './nft-error.ts';

/** Runs nft: the only access to the kernel's rules. */
export interface Nft {
  /** Our table of the family as `nft -j` lists it, or `undefined` if there is none. Rejects with an NftError. */
  list(family: TableFamily, signal: AbortSignal): Promise<string | undefined>;
  /** The table without the elements of its sets and maps, as `list`. */
  listTerse(family: TableFamily, signal: AbortSignal): Promise<string | undefined>;
  /** One chain of our table, as `list`. */
  listChain(family: TableFamily, name: string, signal: AbortSignal): Promise<string | undefined>;
  /** One set of our table, as `list`. */
  listSet(family: TableFamily, name: string, signal: AbortSignal): Promise<string | undefined>;
  /** Runs a script as one transaction, or only checks whether the kernel would take it. Rejects with an NftError. */
  run(script: string, options: NftRunOptions): Promise<void>;
}

export interface NftRunOptions {
  readonly check: boolean;
  readonly signal: AbortSignal;
  /** Less time than other runs have. */
  readonly timeoutMs?: number | undefined;
}

export interface NftOptions {
  /** A program of this name on the PATH, or a path. */
  readonly program?: string;
  /** The most that any run may take. Loading 100,000 elements takes a second; the limit is for a run that hangs. */
  readonly timeoutMs?: number;
}

const mebibyte = 1 << 20;

/**
 * nft makes and frees millions of small pieces for a large table. glibc's fast bins are of no use to it, and consolidating them is a sixth of
 * the time that a listing takes, and a tenth of a load's (malloc(3), `M_MXFAST`). Other C libraries do not look.
 */
const environment = { LC_ALL: 'C', GLIBC_TUNABLES: 'glibc.malloc.mxfast=0' } as const;

export function createNft({ program = 'nft', timeoutMs: most = 60_000 }: NftOptions = {}): Nft {
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
      maxBuffer: 512 * mebibyte,
      stripFinalNewline: false,
      reject: false,
    } satisfies Options;
    const result = await execa(program, args, options);
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
    async run(script, { check, signal, timeoutMs }) {
      await run(check ? ['-c', '-f', '-'] : ['-f', '-'], script, signal, timeoutMs);
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

/** An old nft dies of sets to which a newer one has added what only it understands (kubernetes/kubernetes issue 136786; K34). */
export function describeCrash(signal: string): string {
  const crashed = `nft was ended by ${signal}`;
  if (!['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL'].includes(signal)) return crashed;
  return `${crashed}: a newer nft may have written what ours cannot read; use an image whose nft is at least as new as every other on the node`;
}

function isNotThere(stderr: string, args: readonly string[]): boolean {
  return (
    stderr.startsWith('Error: No such file or directory') && stderr.includes(args.slice(args.indexOf('list')).join(' '))
  );
}
