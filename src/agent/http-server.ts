import { setTimeout as delay } from 'node:timers/promises';
import { startHttpServer, type HttpServer, type HttpServerOptions } from '../telemetry/server.ts';
import type { Logger } from '../telemetry/logger.ts';

const retryMs = 500;

/**
 * Serves as soon as the address is free, for an agent that is about to end may have it still. Rejects if the address cannot be used, or is
 * not free in time: as long as another process answers there, its answers count for ours, and it is Kubernetes that must see that we are
 * not there. Rejects, too, when the signal aborts before.
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
        const advice = 'another process has it: end that one, or set --listen (in the chart: listen.port)';
        throw Object.assign(new Error(`${error.message}; ${advice}`, { cause: error }), { code: 'EADDRINUSE' });
      }
      if (tries === 0) logger.warn({ err: error }, 'another process listens there; trying again');
      await delay(retryMs, undefined, { signal });
    }
  }
}
