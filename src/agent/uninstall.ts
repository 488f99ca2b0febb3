import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createNft } from '../apply/nft.ts';
import { removeTables } from '../apply/remove-tables.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { readVersion } from '../config/version.ts';
import { Checks } from '../telemetry/checks.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics/all.ts';
import { deleteState } from '../state/state-file.ts';
import { backoffDelay } from '../watch/backoff.ts';
import { serveWhenFree } from './http-server.ts';
import { holdNodeLock, nodeLockObserver } from './node-lock.ts';

const backoff = { firstMs: 200, maxMs: 30_000 };

/**
 * Removes our tables, and the state that was kept, from this node once no agent writes it any more, then is ready until the signal aborts: a DaemonSet whose pods
 * run this has rolled out when every node is free of us. Needs no API server. Resolves with the exit code.
 */
export async function runUninstall(config: AgentConfig, stopSignal: AbortSignal): Promise<number> {
  const failure = new AbortController();
  const signal = AbortSignal.any([stopSignal, failure.signal]);
  const version = readVersion();
  const logger = createLogger({ level: config.logLevel, node: config.nodeName, version });
  const { registry } = createMetrics(version);
  const ready = new Checks(['lock', 'uninstalled']);
  logger.info('started, to uninstall');
  const serving = serveWhenFree(
    { listen: config.listen, registry, live: new Checks([]), ready, applied: () => ({ node: config.nodeName }) },
    // Not for a moment may another's "ready" be taken for ours: it would say that this node is free of rules.
    0,
    logger,
    signal,
  );
  const uninstalling = async (): Promise<() => void> => {
    const release = await holdNodeLock({ version, pid: process.pid }, nodeLockObserver(ready, logger), signal);
    ready.report('lock', undefined);
    const nft = createNft();
    for (let failures = 0; ; failures++) {
      try {
        const removed = await removeTables(nft, signal);
        if (config.stateDir !== undefined) await deleteState(config.stateDir);
        ready.report('uninstalled', undefined);
        logger.info({ removed }, removed.length > 0 ? 'deleted our tables' : 'there was no table of ours');
        return release;
      } catch (error) {
        signal.throwIfAborted();
        ready.report(
          'uninstalled',
          `this node cannot be left as it was: ${error instanceof Error ? error.message : String(error)}`,
        );
        logger.error({ err: error }, 'could not delete all that is ours');
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
