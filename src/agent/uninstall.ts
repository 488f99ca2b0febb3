import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openNetworkNamespace } from '../apply/network-namespace.ts';
import { removePlugin } from '../cni/change-host.ts';
import { createNft } from '../apply/nft.ts';
import { removeTables } from '../apply/remove-tables.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { readVersion } from '../config/version.ts';
import { messageOf } from '../lib/message-of.ts';
import { Checks } from '../telemetry/checks.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics/all.ts';
import { listPodNamespaces, type PodNamespace } from '../sandboxes/pod-namespaces.ts';
import { deleteState } from '../state/state-file.ts';
import { backoffDelay } from '../watch/backoff.ts';
import { serveWhenFree } from './http-server.ts';
import { holdNodeLock, nodeLockObserver } from './node-lock.ts';

const backoff = { firstMs: 200, maxMs: 30_000 };

/**
 * Deletes Postern's tables and saved state from this node, once no agent writes rules there any more. Then it stays ready until the signal aborts. So the
 * rollout of a DaemonSet that runs it is complete when every node is clean. It needs no API server. Resolves with the exit code.
 */
export async function runUninstall(config: AgentConfig, stopSignal: AbortSignal): Promise<number> {
  const failure = new AbortController();
  const signal = AbortSignal.any([stopSignal, failure.signal]);
  const version = readVersion();
  const logger = createLogger({ level: config.logLevel, node: config.nodeName, version });
  const { registry } = createMetrics(version);
  const ready = new Checks(['lock', 'uninstalled']);
  logger.info('started to uninstall');
  const serving = serveWhenFree(
    { listen: config.listen, registry, live: new Checks([]), ready, applied: () => ({ node: config.nodeName }) },
    // It does not wait for the address: an old agent's "ready" would mean that this node is clean.
    0,
    logger,
    signal,
  );
  const uninstalling = async (): Promise<() => void> => {
    const release = await holdNodeLock({ version, pid: process.pid }, nodeLockObserver(ready, logger), signal);
    ready.report('lock', undefined);
    const nft = createNft();
    const reportPod = (pod: string, err: unknown): void => {
      logger.error({ pod, err }, "could not delete Postern's tables in a pod's network namespace: restart the pod");
    };
    for (let failures = 0; ; failures++) {
      try {
        await uninstallPlugin(config, logger);
        const removed = await removeTables(nft, signal);
        if (config.podNetworks && config.cniCacheDir !== undefined) {
          const pods = await listPodNamespaces(config.cniCacheDir);
          removed.push(...(await removeInside(pods, reportPod, signal)));
        }
        if (config.stateDir !== undefined) await deleteState(config.stateDir);
        ready.report('uninstalled', undefined);
        logger.info({ removed }, removed.length > 0 ? "deleted Postern's tables" : 'found no tables of Postern');
        return release;
      } catch (error) {
        signal.throwIfAborted();
        ready.report('uninstalled', `could not clean up this node: ${messageOf(error)}`);
        logger.error({ err: error }, "could not delete all of Postern's tables and state");
        await delay(backoffDelay(failures, backoff, Math.random), undefined, { signal });
      }
    }
  };
  const removing = uninstalling();
  try {
    await Promise.all([serving, removing]);
    if (!signal.aborted) await once(signal, 'abort');
  } catch (error) {
    if (!stopSignal.aborted) throw error;
  } finally {
    failure.abort();
    await Promise.allSettled([serving.then((server) => server.close()), removing.then((release) => release())]);
  }
  logger.info('stopped');
  return 0;
}

/** First of all: without rules, no call of the plugin would get an "ok". */
async function uninstallPlugin({ cni, cniCacheDir }: AgentConfig, logger: Logger): Promise<void> {
  if (cni?.confDir === undefined) return;
  const { confDir: conf, binDir: bin, program } = cni;
  const { operations, problem, isProgramKept } = await removePlugin({ conf, bin, program }, cniCacheDir);
  if (problem !== undefined) throw new Error(`the CNI plugin is still in a network configuration: ${problem}`);
  const kept = isProgramKept ? '; its program stays, because pods were started with it' : '';
  if (operations.length > 0) logger.info(`removed the CNI plugin from the network configuration${kept}`);
}

/**
 * Deletes the tables in network namespaces of pods. A namespace that is gone needs nothing. A pod with `NET_ADMIN` can own its table, and the kernel then
 * refuses the deletion by others. One pod must not block the uninstallation of the node, so a pod that fails is only reported.
 */
export async function removeInside(
  pods: readonly Pick<PodNamespace, 'pod' | 'path'>[],
  failed: (pod: string, error: unknown) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const removed: string[] = [];
  for (const { pod, path } of pods) {
    if (!existsSync(path)) continue;
    try {
      const tables = await removeInOne(path, signal);
      removed.push(...tables.map((table) => `pod ${pod}: ${table}`));
    } catch (error) {
      signal.throwIfAborted();
      failed(pod, error);
    }
  }
  return removed;
}

async function removeInOne(path: string, signal: AbortSignal): Promise<string[]> {
  const namespace = openNetworkNamespace(path);
  try {
    return await removeTables(createNft({ enter: namespace.enter }), signal);
  } finally {
    namespace.close();
  }
}
