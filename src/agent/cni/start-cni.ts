import { startCniServer, type CniServer } from '../../cni/server.ts';
import { pluginEntry } from '../../cni/plugin-entry.ts';
import type { CniRequest } from '../../cni/request.ts';
import { messageOf } from '../../lib/message-of.ts';
import type { SandboxAnnouncer } from '../../sandboxes/sandboxes.ts';
import type { AgentContext } from '../agent-context.ts';
import type { AgentLoops } from '../agent-loops.ts';
import { systemClock } from '../clock.ts';
import { createCniAnswers } from './answer-cni.ts';
import { InstalledPlugin } from './keep-installed.ts';

/** Without these checks, the node does not enforce what a starting pod needs. */
const enforcingChecks: ReadonlySet<string> = new Set(['lock', 'lists', 'node', 'rules']);

/** Serves the CNI plugin, if the agent should. A failure does not end the agent: the rules matter more than how quickly pods start. */
export async function startCni(
  { config, ready, metrics, logger }: AgentContext,
  { reconciler, podWaits, podNetworks }: AgentLoops,
  announcer: SandboxAnnouncer,
): Promise<Pick<CniServer, 'close'> | undefined> {
  const { cni } = config;
  if (!cni) return undefined;
  const notEnforcing = (): string | undefined =>
    ready.results().find(({ name, reason }) => reason !== undefined && enforcingChecks.has(name))?.reason;
  const inspect = () => reconciler.inspect();
  const clock = systemClock;
  const answer = createCniAnswers({ announcer, waits: podWaits, podNetworks, inspect, notEnforcing, clock });
  try {
    const server = await startCniServer({
      path: cni.socket,
      interfaces: podNetworks ? 'all' : 'eth0',
      async handle(request, signal) {
        const startedAt = performance.now();
        const answered = await answer(request, signal);
        metrics.cni.answered(request.command, answered.kind, (performance.now() - startedAt) / 1000);
        if (answered.kind === 'late')
          logger.warn(subjectOf(request), `the CNI plugin got no answer in time: ${answered.reason}`);
        if (answered.kind === 'error')
          logger.warn(subjectOf(request), `a call of the CNI plugin failed: ${answered.message}`);
        return answered;
      },
      refused(reason) {
        metrics.cni.refused();
        logger.warn({ reason }, 'the agent refused a request on the socket of the CNI plugin');
      },
    });
    logger.info({ socket: cni.socket }, 'serving the CNI plugin');
    const { confDir: conf, binDir: bin, program, failurePolicy } = cni;
    if (conf === undefined) return server;
    const directories = { conf, bin, program };
    const entry = pluginEntry(cni);
    const host = { directories, entry, notEnforcing, ready, metrics: metrics.cni, logger, clock };
    const installed = new InstalledPlugin(host);
    return {
      async close() {
        // With Ignore, pods must still start after a user turns the plugin off or deletes the agents. With Fail, no pod may start without an agent.
        await installed.close(failurePolicy === 'Ignore');
        await server.close();
      },
    };
  } catch (err) {
    logger.error({ err, socket: cni.socket }, `the agent cannot serve the CNI plugin: ${messageOf(err)}`);
    return undefined;
  }
}

function subjectOf({ command, subject }: CniRequest): object {
  if (subject.kind !== 'pod') return { command };
  const { namespace, name, addresses } = subject.entry;
  return { command, pod: `${namespace}/${name}`, addresses };
}
