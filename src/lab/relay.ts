import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** Address of the API server in the namespace of every node. */
export const relayHost = '127.0.0.1';
export const relayPort = 6443;

export function relayUrl(protocol: string, path = ''): string {
  return `${protocol}//${relayHost}:${relayPort}${path}`;
}

/** Forwards bytes from a unix socket to a TCP server that the lab's nodes cannot reach. */
export class SocketRelay {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(target: { readonly host: string; readonly port: number }) {
    // Half-open, so that each side can end its own direction.
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ ...target, allowHalfOpen: true });
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  async listen(socketPath: string): Promise<void> {
    // A socket file that a crash left would make listen fail.
    await rm(socketPath, { force: true });
    this.#server.listen(socketPath);
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #join(from: Socket, to: Socket): void {
    this.#open.add(from);
    from.pipe(to);
    // `close` follows an error and breaks the other connection.
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#open.delete(from);
      to.destroySoon();
    });
  }
}
