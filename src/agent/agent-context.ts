import { noElementReader, openElementReader, type ElementReader } from '../apply/element-reader.ts';
import { noElementWriter, openElementWriter, type ElementWriter } from '../apply/element-writer.ts';
import { exec } from '../apply/exec.ts';
import { openGenerationReader, type GenerationReader } from '../apply/generation.ts';
import { openNetlinkSocket } from '../apply/netlink-socket.ts';
import { openNftSession, type NftSession } from '../apply/nft-session.ts';
import { createNft } from '../apply/nft.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { readVersion } from '../config/version.ts';
import { Checks } from '../telemetry/checks.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics/all.ts';
import { logProcessWarnings } from '../telemetry/process-warnings.ts';
import { createApiClient, loadKubeConfig, type ApiClient } from '../watch/api-client.ts';
import { chooseGuard, type GuardChoice } from './choose-guard.ts';
import { environmentChecks } from './environment-watch.ts';
import { livenessChecks } from './liveness-watch.ts';

/** What all parts of an agent use. */
export interface AgentContext {
  readonly config: AgentConfig;
  readonly version: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly live: Checks;
  readonly ready: Checks;
  readonly client: ApiClient;
  readonly guard: GuardChoice;
  readonly nft: NftSession;
  readonly elements: ElementWriter;
  readonly reader: ElementReader;
  /** Missing without netlink. */
  readonly generations: GenerationReader | undefined;
  /** Aborts when the agent stops. */
  readonly signal: AbortSignal;
}

export async function createContext(config: AgentConfig, signal: AbortSignal): Promise<AgentContext> {
  const version = readVersion();
  const logger = createLogger({ level: config.logLevel, node: config.nodeName, version });
  logProcessWarnings(process, logger);
  const metrics = createMetrics(version);
  const live = new Checks(livenessChecks);
  const ready = new Checks([
    'lock',
    'lists',
    'node',
    'rules',
    'sandboxes',
    'gate',
    'guard',
    'connections',
    ...environmentChecks,
  ]);
  // Ready until a flush fails.
  ready.report('connections', undefined);
  metrics.readiness.checks(() => ready.results());
  const [kubeConfig, guard] = await Promise.all([
    loadKubeConfig(config.kubeconfig),
    chooseGuard(config.guard, exec, signal),
  ]);
  const client = createApiClient(kubeConfig);
  const nft = openNftSession(createNft(), {
    paused(pauseMs) {
      // An agent that stops runs no more commands.
      if (signal.aborted) return;
      const message = 'the nft session failed: until it recovers, the agent runs nft once per command';
      logger.warn({ retryAfterSeconds: pauseMs / 1000 }, message);
    },
  });
  const elements = config.netlink ? openWriter(logger, signal) : noElementWriter;
  const reader = config.netlink ? openReader(logger, signal) : noElementReader;
  const generations = config.netlink ? openGenerationReader(openNetlinkSocket) : undefined;
  return { config, version, logger, metrics, live, ready, client, guard, nft, elements, reader, generations, signal };
}

function openWriter(logger: Logger, signal: AbortSignal): ElementWriter {
  return openElementWriter({
    openSocket: openNetlinkSocket,
    paused(err, pauseMs) {
      if (signal.aborted) return;
      const retryAfterSeconds = pauseMs / 1000;
      logger.warn({ err, retryAfterSeconds }, 'netlink failed: until it recovers, nft writes all changes');
    },
  });
}

function openReader(logger: Logger, signal: AbortSignal): ElementReader {
  return openElementReader({
    openSocket: openNetlinkSocket,
    failed(err) {
      if (signal.aborted) return;
      logger.warn({ err }, 'reading by netlink failed: until it works, nft lists all elements');
    },
  });
}
