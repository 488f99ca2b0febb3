import { setTimeout as delay } from 'node:timers/promises';
import { startHttpServer, type HttpServer, type HttpServerOptions } from '../telemetry/server.ts';
import type { Logger } from '../telemetry/logger.ts';

const retryMs = 500;

/**
 * Serves as soon as the address is free: an agent that is about to end may still use it. Rejects if the address cannot be used, is not free in time,
 * or if the signal aborts first. While another process answers there, the kubelet's probes reach that process, so this agent must end and not run
 * unseen.
 */
export async function serveWhenFree(
  options: HttpServerOptions,
  waitMs: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<HttpServer> {
  const deadline = performance.now() + waitMs;
  for (let tries = 0; ; tries++) {
    try {
      const server = await startHttpServer(options);
      logger.info({ address: server.address }, 'serving');
      return server;
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isTaken) throw error;
      if (performance.now() > deadline) {
        const advice = 'another process uses it: stop that process, or set --listen (in the chart: listen.port)';
        throw Object.assign(new Error(`${error.message}; ${advice}`, { cause: error }), { code: 'EADDRINUSE' });
      }
      if (tries === 0) logger.warn({ err: error }, 'another process uses this address; trying again');
      await delay(retryMs, undefined, { signal });
    }
  }
}
