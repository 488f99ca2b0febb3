import { describeLinks } from '../apply/devices.ts';
import { exec } from '../apply/exec.ts';
import type { NodeFact } from '../model/cluster.ts';
import { watchSandboxes, type SandboxWatchOptions } from '../sandboxes/sandboxes.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { NodeMetrics } from '../telemetry/metrics/node.ts';

export interface SandboxReporting {
  readonly ready: Checks;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly tell: (fact: NodeFact) => void;
  /** Once: all that there is has been told, or it is known that there is nothing to read. */
  readonly listed: () => void;
}

const fallback = 'addresses of pods come from the API server';

/**
 * Tells of the sandboxes that the container runtime notes, and reports whether it does. Resolves when the signal aborts, or at once where nobody is to
 * look.
 * @param directory `undefined`: nobody looks
 */
export async function reportSandboxes(
  directory: string | undefined,
  { ready, metrics, logger, signal, tell, listed }: SandboxReporting,
  watch: typeof watchSandboxes = watchSandboxes,
): Promise<void> {
  const known = (note: string, isAvailable: boolean): void => {
    ready.note('sandboxes', note);
    metrics.sandboxCache(isAvailable);
    listed();
  };
  if (directory === undefined) {
    logger.warn(`nobody looks for what the container runtime notes of its pods: ${fallback}`);
    return known(`nobody looks: ${fallback}`, false);
  }
  let wasListed = false;
  const options: SandboxWatchOptions = {
    directory,
    describeLinks: (names, asked) => describeLinks(exec, names, asked),
    signal,
    observer: {
      listed(sandboxes) {
        wasListed = true;
        tell({ op: 'cache-readable', readable: true });
        logger.info({ directory, sandboxes }, 'listed the sandboxes of this node');
        known(`as ${directory} has them`, true);
      },
      lost(message) {
        tell({ op: 'cache-readable', readable: false });
        const note = `no cache: ${message}: ${wasListed ? `what it told stays in force, else ${fallback}` : fallback}`;
        logger.warn({ directory }, note);
        known(note, false);
      },
      problem(file, message) {
        metrics.sandboxCacheProblem();
        logger.warn({ directory, file }, `a file of the container runtime cannot be used: it ${message}`);
      },
      degraded: (message) => logger.warn({ directory }, message),
    },
  };
  await watch(options, tell);
}
