export type NftErrorCode =
  /** nft read the script and would not do it; `lines` says where. Nothing was changed. */
  | 'refused'
  /** It took too long and was killed. A transaction is whole or not at all, but which of them is not known. */
  | 'timeout'
  /** The caller's signal; as after a time-out. */
  | 'aborted'
  /** A signal that is not ours ended it; as after a time-out. */
  | 'crashed'
  /** There is no nft on the PATH. */
  | 'missing'
  /** Not root, or no CAP_NET_ADMIN. */
  | 'denied'
  /** Anything else, such as a kernel without nf_tables. */
  | 'failed';

export class NftError extends Error {
  override readonly name = 'NftError';
  readonly code: NftErrorCode;
  readonly stderr: string;
  /** What nft was given on standard input; empty for a listing. */
  readonly script: string;
  /** The lines of the script that nft complains about: ascending, from 1. */
  readonly lines: readonly number[];

  constructor(code: NftErrorCode, message: string, details: { stderr: string; script: string; cause?: unknown }) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.stderr = details.stderr;
    this.script = details.script;
    // A log line with the error must not hold megabytes of script.
    Object.defineProperty(this, 'script', { enumerable: false });
    this.lines = readLines(details.stderr);
  }
}

/** nft writes `/dev/stdin:LINE:COL-COL: Error: TEXT` for each failing command of the phase that fails (nft 1.1.3; K28). */
function readLines(stderr: string): number[] {
  const found = stderr.matchAll(/^\/dev\/stdin:([0-9]+):[0-9]+(?:-[0-9]+)?: Error/gm);
  return [...new Set(Array.from(found, (match) => Number(match[1])))].sort((a, b) => a - b);
}
