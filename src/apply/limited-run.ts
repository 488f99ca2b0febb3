import { execa } from 'execa';

export interface RunLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export type LimitedOutcome =
  | { readonly stdout: string }
  | { readonly how: 'crashed' | 'timeout' | 'failed' | 'too large'; readonly message: string };

/** Runs nft on tables of other programs, on which it may crash, hang or print far too much. Rejects only if the signal aborts. */
export async function runLimited(nft: string, args: readonly string[], limits: RunLimits): Promise<LimitedOutcome> {
  const { timeoutMs, maxBytes, signal } = limits;
  const result = await execa(nft, args, {
    input: '',
    env: { LC_ALL: 'C' },
    timeout: timeoutMs,
    maxBuffer: maxBytes,
    // A hung nft may not react to other signals.
    killSignal: 'SIGKILL',
    cancelSignal: signal,
    reject: false,
  });
  signal.throwIfAborted();
  if (!result.failed) return { stdout: result.stdout };
  if (result.isMaxBuffer) return { how: 'too large', message: `nft listed more than ${maxBytes >> 20} MB` };
  if (result.timedOut) return { how: 'timeout', message: `nft did not end within ${Math.round(timeoutMs / 1000)} s` };
  if (result.signal !== undefined) return { how: 'crashed', message: `nft was ended by ${result.signal}` };
  const text = result.stderr?.trim().split('\n')[0] || result.shortMessage || 'no reason given';
  return { how: 'failed', message: `nft failed: ${text.slice(0, 300)}` };
}
