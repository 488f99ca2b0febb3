import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startApiServer } from '../../../src/lab/api/server.ts';
import { Store } from '../../../src/lab/api/store.ts';

export interface Reply {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever JSON the server sent
  readonly body: any;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** A server with a store of its own, in a folder of its own, spoken to over its unix socket. */
export class RunningServer {
  readonly store: Store;
  readonly folder: string;
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(store: Store, folder: string, url: string, close: () => Promise<void>) {
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

  /** The head of the answer; the body is still to come. */
  async open(path: string, { method = 'GET', headers = {}, body }: RequestOptions = {}): Promise<IncomingMessage> {
    const content = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const length = { 'content-length': String(Buffer.byteLength(content)) };
    const socketPath = join(this.folder, 'api.sock');
    const sent = request({ socketPath, path, method, headers: { ...length, ...headers } });
    sent.end(content);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  }

  async call(path: string, options?: RequestOptions): Promise<Reply> {
    const response = await this.open(path, options);
    const body: unknown = JSON.parse(await text(response));
    return { code: response.statusCode!, headers: response.headers, body };
  }

  /** The events of a watch until the server ends it or the caller stops reading. */
  async *watch(path: string, headers: Record<string, string> = {}): AsyncGenerator<Reply['body']> {
    const response = await this.open(path, { headers });
    let rest = '';
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield JSON.parse(line);
    }
  }
}
