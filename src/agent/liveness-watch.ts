import type { Checks } from '../telemetry/checks.ts';
import type { Reconciler } from './reconciler.ts';

export const livenessChecks = ['loop'] as const;

const intervalMs = 10_000;
/** An nft that hangs is killed after one minute, which is a step come to an end. */
const stuckAfterMs = 5 * 60_000;

/** Live is who can still move. An API server that is slow or gone, or an nft that fails, is nothing that a restart would mend. */
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
