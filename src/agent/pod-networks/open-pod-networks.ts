import { NftError } from '../../apply/nft-error.ts';
import type { AgentContext } from '../agent-context.ts';
import { systemClock } from '../clock.ts';
import type { Reporter } from '../report.ts';
import { PodNetworks } from './pod-networks.ts';

/** `undefined` if the operator does not want it. */
export function openPodNetworks(
  { config, guard, metrics, logger, signal }: AgentContext,
  reporter: Reporter,
  changed: () => void,
): PodNetworks | undefined {
  if (!config.podNetworks) return undefined;
  if (config.cniCacheDir === undefined) {
    logger.warn("--pod-networks has no effect: only libcni's result cache names the network namespaces of pods");
  }
  const allowed = { tunnels: config.allowPodTunnels, routers: config.allowPodRouters };
  const podNetworks = new PodNetworks({
    rules: { guard: guard.guard !== false, allowed },
    netlink: config.netlink,
    clock: systemClock,
    signal,
    changed,
    events: {
      stageDone: (...stage) => reporter.reconciler.stageDone(...stage),
      wrote: (by) => metrics.apply.wrote(by),
      drifted(pod, isForeign) {
        metrics.podNetworks.drift();
        if (isForeign)
          logger.error({ pod }, "a program in the pod changed Postern's tables there; the agent is restoring them");
        else
          logger.error(
            { pod },
            "Postern's tables in the pod are not as the agent wrote them; the agent is restoring them",
          );
      },
      failed(pod, err, retryIn) {
        metrics.apply.error(err instanceof NftError ? err.code : 'failed');
        const retry = retryIn === undefined ? {} : { retryIn: retryIn / 1000 };
        logger.error({ pod, err, ...retry }, "could not write the rules in the pod's network namespace");
      },
    },
  });
  metrics.podNetworks.counts(() => podNetworks.counts);
  return podNetworks;
}
