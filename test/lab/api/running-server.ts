import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApiServer } from '../../../src/lab/api/server.ts';
import { Store } from '../../../src/lab/api/store.ts';
import { ApiCaller } from './api-caller.ts';

/** A server with a store of its own, in a folder of its own, spoken to over its unix socket. */
export class RunningServer extends ApiCaller {
  readonly store: Store;
  readonly folder: string;
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(store: Store, folder: string, url: string, close: () => Promise<void>) {
    super({ socketPath: join(folder, 'api.sock') });
    this.store = store;
    this.folder = folder;
    this.url = url;
    this.#close = close;
  }

  static async start(bookmarkInterval = 60_000): Promise<RunningServer> {
    const store = new Store();
    const folder = await mkdtemp(join(tmpdir(), 'postern-api-'));
    const socketPath = join(folder, 'api.sock');
    const server = await startApiServer({ store, socketPath, tcp: { host: '127.0.0.1', port: 0 }, bookmarkInterval });
    return new RunningServer(store, folder, server.url!, () => server.close());
  }

  async close(): Promise<void> {
    await this.#close();
    await rm(this.folder, { recursive: true });
  }
}
