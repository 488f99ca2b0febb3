import type { Checks } from '../telemetry/checks.ts';
import type { Reconciler } from './reconciler.ts';

export const livenessChecks = ['loop'] as const;

const intervalMs = 10_000;
/** A hanging nft is killed after one minute, which ends its step. So only a stuck agent reaches this limit. */
const stuckAfterMs = 5 * 60_000;

/** Reports the agent as live while its loop makes progress. A restart does not help against a slow or missing API server, or a failing nft. */
export function watchLiveness(reconciler: Pick<Reconciler, 'stuckFor'>, live: Checks, signal: AbortSignal): void {
  const look = (): void => {
    const seconds = Math.round(reconciler.stuckFor / 1000);
    live.report('loop', seconds * 1000 > stuckAfterMs ? `a change has been under way for ${seconds} s` : undefined);
  };
  look();
  if (signal.aborted) return;
  const timer = setInterval(look, intervalMs);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
