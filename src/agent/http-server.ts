import { setTimeout as delay } from 'node:timers/promises';
import { startHttpServer, type HttpServer, type HttpServerOptions } from '../telemetry/server.ts';
import type { Logger } from '../telemetry/logger.ts';

const retryMs = 1000;

/**
 * Serves as soon as the address is free: while two agents run on a node, the first has it, and enforcing must not wait for a port.
 * Rejects if the address cannot be used at all, or when the signal aborts before it is free.
 */
export async function serveWhenFree(
  options: HttpServerOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<HttpServer> {
  for (let tries = 0; ; tries++) {
    try {
      const server = await startHttpServer(options);
      logger.info({ address: server.address }, 'serving');
      return server;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
      if (tries === 0) logger.error({ err: error }, 'another process listens there; trying again every second');
      await delay(retryMs, undefined, { signal });
    }
  }
}
