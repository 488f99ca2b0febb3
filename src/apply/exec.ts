import { execa } from 'execa';

export interface ExecResult {
  /** `undefined` if the program could not be started. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program that only reads. Rejects only if the signal aborts. */
export type Exec = (
  file: string,
  args: readonly string[],
  options: { readonly signal: AbortSignal; readonly input?: string },
) => Promise<ExecResult>;

const timeoutMs = 10_000;

export const exec: Exec = async (file, args, { signal, input = '' }) => {
  const result = await execa(file, args, {
    input,
    env: { LC_ALL: 'C' },
    timeout: timeoutMs,
    cancelSignal: signal,
    reject: false,
  });
  signal.throwIfAborted();
  const stderr = result.stderr || (result.failed ? (result.shortMessage ?? '') : '');
  return { exitCode: result.exitCode, stdout: result.stdout ?? '', stderr };
};
