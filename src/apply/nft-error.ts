export type NftErrorCode =
  /** nft or the kernel rejected the script; `lines` says where. Nothing changed. */
  | 'refused'
  /** nft took too long and was killed. The kernel applied the whole transaction or nothing; which of them is unknown. */
  | 'timeout'
  /** The caller's signal aborted. The result is unknown, as after a timeout. */
  | 'aborted'
  /** A signal from elsewhere ended nft. The result is unknown, as after a timeout. */
  | 'crashed'
  /** nft is not on the PATH. */
  | 'missing'
  /** Not root, or no CAP_NET_ADMIN. */
  | 'denied'
  /** Anything else, such as a kernel without nf_tables. */
  | 'failed';

export class NftError extends Error {
  override readonly name = 'NftError';
  readonly code: NftErrorCode;
  readonly stderr: string;
  /** nft's standard input; empty for a listing. */
  readonly script: string;
  /** The line numbers of the script that nft reports: ascending, from 1. */
  readonly lines: readonly number[];

  constructor(code: NftErrorCode, message: string, details: { stderr: string; script: string; cause?: unknown }) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.stderr = details.stderr;
    this.script = details.script;
    // A log line with the error must not contain megabytes of script.
    Object.defineProperty(this, 'script', { enumerable: false });
    this.lines = readLines(details.stderr);
  }
}

/** nft writes `/dev/stdin:LINE:COL-COL: Error: TEXT` for each failing command of the phase that fails (nft 1.1.3; K28). */
function readLines(stderr: string): number[] {
  const found = stderr.matchAll(/^\/dev\/stdin:([0-9]+):[0-9]+(?:-[0-9]+)?: Error/gm);
  return [...new Set(Array.from(found, (match) => Number(match[1])))].sort((a, b) => a - b);
}
