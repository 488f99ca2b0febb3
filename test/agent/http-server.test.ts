import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'mocha';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { serveWhenFree } from '../../src/agent/http-server.ts';
import { Checks } from '../../src/telemetry/checks.ts';

const logger = pino({ level: 'silent' });
const { signal } = new AbortController();

describe('an agent whose port another process has', () => {
  const serve = (port: number, waitMs: number) =>
    serveWhenFree(
      {
        listen: { host: '127.0.0.1', port },
        registry: new Registry(),
        live: new Checks([]),
        ready: new Checks([]),
        applied: () => ({}),
      },
      waitMs,
      logger,
      signal,
    );
  async function occupy() {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    return { other, port: (other.address() as AddressInfo).port };
  }

  it('gives up in time, and says what to do', async () => {
    const { other, port } = await occupy();
    await assert.rejects(serve(port, 0), { code: 'EADDRINUSE', message: /stop that process, or set --listen/ });
    other.close();
  });

  it('serves once the other has ended', async () => {
    const { other, port } = await occupy();
    const serving = serve(port, 20_000);
    other.close();
    const server = await serving;
    assert.equal(server.address, `127.0.0.1:${port}`);
    await server.close();
  });
});
