import type { KubeConfig } from '@kubernetes/client-node';
import { ApiError } from './api-error.ts';
import { execInPod } from './pod-exec.ts';

export interface ExecTarget {
  readonly namespace: string;
  readonly name: string;
  readonly container: string;
}

/**
 * Runs a program in a container with the user's rights and resolves with its standard output. Rejects with an ApiError if the program cannot run,
 * takes too long, or ends with an exit code other than 0 or `finding`.
 */
export async function runInPod(
  config: KubeConfig,
  { namespace, name, container }: ExecTarget,
  command: readonly string[],
  options: { readonly patienceMs: number; readonly finding?: number; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const pod = `pod ${namespace}/${name}`;
  const { patienceMs, finding = 0 } = options;
  const timeout = AbortSignal.timeout(patienceMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const outcome = await execInPod(config, { namespace, pod: name, container, command, signal }).catch(
    (cause: unknown) => {
      if (timeout.aborted) throw new ApiError('silent', `${pod}: no answer within ${patienceMs / 1000} s`, { cause });
      if (!(cause instanceof ApiError)) throw cause;
      const { code, message, status } = cause;
      throw new ApiError(code, `${pod}: ${message}`, { cause, ...(status !== undefined && { status }) });
    },
  );
  const { exitCode, stdout, stderr } = outcome;
  if (exitCode === 0 || exitCode === finding) return stdout;
  const said = stderr.trim() || `exit code ${exitCode}`;
  throw new ApiError('refused', `${command.slice(0, 3).join(' ')} in ${pod}: ${said}`);
}
