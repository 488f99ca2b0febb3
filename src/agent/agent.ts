import type { SandboxAnnouncer } from '../sandboxes/sandboxes.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { createContext } from './agent-context.ts';
import { openInputs, watchInputs } from './agent-inputs.ts';
import { startLoops } from './agent-loops.ts';
import { startCni } from './cni/start-cni.ts';
import { startStatus } from './status/start-status.ts';
import { openReports } from './agent-reports.ts';

/**
 * Watches the cluster and keeps the rules in this node's kernel current, until the signal aborts. The rules stay afterwards (S7.13).
 * Resolves with the exit code.
 */
export async function runAgent(config: AgentConfig, stopSignal: AbortSignal): Promise<number> {
  const failure = new AbortController();
  const context = await createContext(config, AbortSignal.any([stopSignal, failure.signal]));
  const { logger, nft, elements } = context;
  const inputs = openInputs(context, {
    changed: () => loops.reconciler.changed(),
    podFetched: (result, sandbox, error) => reports.nodeReporter.fetched(result, sandbox, error),
  });
  const reports = openReports(context, inputs);
  const loops = startLoops(context, inputs, reports);

  logger.info('started');
  const serving = reports.serve(loops);
  const locking = loops.takeLock();
  void locking.then(
    () => startStatus(context, inputs, reports, loops.held),
    () => {},
  );
  const take = (event: Parameters<typeof inputs.take>[0]): void => {
    inputs.take(event);
    loops.podNetworks?.receive(event);
  };
  const announcer = Promise.withResolvers<SandboxAnnouncer>();
  const watching = watchInputs(
    context,
    { ...inputs, take },
    reports.reporter,
    loops.checkEnvironment,
    loops.readEarlier,
    announcer.resolve,
  );
  const cni = config.cni && locking.then(async () => startCni(context, loops, await announcer.promise));
  try {
    await Promise.all([serving, locking, cni, ...watching]);
  } catch (error) {
    if (!stopSignal.aborted) throw error;
  } finally {
    failure.abort();
    await loops.reconciler.idle();
    await loops.podNetworks?.close();
    nft.close();
    elements.close();
    context.generations?.close();
    await inputs.state.finish();
    await reports.finish();
    // Close the socket before the lock is released: the next agent listens on the same path.
    await cni?.then((server) => server?.close()).catch(() => {});
    await Promise.allSettled([serving.then((server) => server.close()), locking.then((release) => release())]);
  }
  logger.info('stopped; the rules stay');
  return 0;
}
