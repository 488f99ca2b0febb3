import { describeLinks } from '../apply/devices.ts';
import { exec } from '../apply/exec.ts';
import type { NodeFact } from '../model/cluster.ts';
import type { WantedInterfaces } from '../sandboxes/cache-entry.ts';
import { watchSandboxes, type SandboxAnnouncer, type SandboxWatchOptions } from '../sandboxes/sandboxes.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { NodeMetrics } from '../telemetry/metrics/node.ts';

export interface SandboxReporting {
  readonly ready: Checks;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly tell: (fact: NodeFact) => void;
  /** Default: `eth0`. */
  readonly interfaces?: WantedInterfaces;
  /** Called when all sandboxes have been emitted, or when there is no cache to read. */
  readonly listed: () => void;
  /** Called once if there is a cache to read. */
  readonly announcements?: (announcer: SandboxAnnouncer) => void;
}

const fallback = 'pod addresses come from the API server';

/**
 * Emits the sandboxes of libcni's cache, and reports whether the agent can read it. Resolves when the signal aborts, or at once without a directory.
 * @param directory the cache's results directory; `undefined` if the agent must not read it
 */
export async function reportSandboxes(
  directory: string | undefined,
  { ready, metrics, logger, signal, tell, interfaces = 'eth0', listed, announcements }: SandboxReporting,
  watch: typeof watchSandboxes = watchSandboxes,
): Promise<void> {
  const known = (note: string, isAvailable: boolean): void => {
    ready.note('sandboxes', note);
    metrics.sandboxCache(isAvailable);
    listed();
  };
  if (directory === undefined) {
    logger.warn(`libcni's result cache is disabled: ${fallback}`);
    return known(`disabled: ${fallback}`, false);
  }
  let wasListed = false;
  const options: SandboxWatchOptions = {
    directory,
    describeLinks: (names, asked) => describeLinks(exec, names, asked),
    signal,
    ...(announcements && { announcements }),
    interfaces,
    observer: {
      listed(sandboxes) {
        wasListed = true;
        tell({ op: 'cache-readable', readable: true });
        logger.info({ directory, sandboxes }, 'listed the sandboxes of this node');
        known(`from ${directory}`, true);
      },
      lost(message) {
        tell({ op: 'cache-readable', readable: false });
        const note = `no cache: ${message}: ${wasListed ? `known sandboxes stay in force, other ${fallback}` : fallback}`;
        logger.warn({ directory }, note);
        known(note, false);
      },
      problem(file, message) {
        metrics.sandboxCacheProblem();
        logger.warn({ directory, file }, `the agent cannot use a file of libcni's result cache: it ${message}`);
      },
      degraded: (message) => logger.warn({ directory }, message),
    },
  };
  await watch(options, tell);
}
