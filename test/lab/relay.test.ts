import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SocketRelay } from '../../src/lab/relay.ts';

describe('lab: relay', () => {
  let directory: string;
  let socketPath: string;
  let server: Server;
  let relay: SocketRelay;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-relay-'));
    socketPath = join(directory, 'api.sock');
    // Answers once the question has ended, as only a half-open connection lets it.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      void text(socket).then(
        (question) => socket.end(`${question}!`),
        () => {},
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    relay = new SocketRelay({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
    await relay.listen(socketPath);
  });
  afterEach(async () => {
    await relay.close();
    server.close();
    await rm(directory, { recursive: true });
  });

  it('carries bytes in both directions, and each end of stream', async () => {
    const big = 'x'.repeat(1_000_000);
    const answers = ['a', 'b', big].map((question) => {
      const socket = connect({ path: socketPath, allowHalfOpen: true });
      socket.end(question);
      return text(socket);
    });
    assert.deepEqual(await Promise.all(answers), ['a!', 'b!', `${big}!`]);
  });

  it('closes a connection if the server is unreachable, and continues', async () => {
    server.close();
    await once(server, 'close');
    for (let round = 0; round < 2; round++) {
      const socket = connect(socketPath);
      socket.on('error', () => {});
      await once(socket, 'close');
    }
  });

  it('closes open connections, and takes over the socket of a crashed process', async () => {
    const socket = connect(socketPath);
    socket.on('error', () => {});
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    await relay.close();
    await closed;
    await relay.listen(socketPath);
  });
});
