import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildPage, type Page } from '../../../src/cli/ui/build-page.ts';
import type { PageData } from '../../../src/map/page-data.ts';

/** Serves the page and its data as `postern ui` does, and fails when a test wants it to. */
export class PageServer {
  data: PageData;
  /** Answers questions for data with this status, if set. */
  status: number | undefined;
  /** Status codes of all answers to questions for data. */
  readonly answers: number[] = [];
  readonly #page: Page;
  readonly #server: Server;

  private constructor(page: Page, data: PageData) {
    this.#page = page;
    this.data = data;
    this.#server = createServer((request, response) => {
      const path = request.url?.split('?')[0] ?? '';
      response.setHeader('Content-Security-Policy', "default-src 'self'");
      const send = (type: string, body: string): void => void response.setHeader('Content-Type', type).end(body);
      if (path === '/token/') return send('text/html; charset=utf-8', this.#page.html);
      if (path === '/token/page.js') return send('text/javascript', this.#page.script);
      if (path === '/token/page.css') return send('text/css', this.#page.style);
      if (path !== '/token/data') return void response.writeHead(404).end();
      const body = JSON.stringify(this.data);
      const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
      const isKnown = request.headers['if-none-match'] === etag;
      const status = this.status ?? (isKnown ? 304 : 200);
      this.answers.push(status);
      response.writeHead(status, { ETag: etag, 'Content-Type': 'application/json' });
      response.end(status === 200 ? body : status === 304 ? undefined : 'the cluster does not answer');
    });
  }

  static async start(data: PageData): Promise<PageServer> {
    const server = new PageServer(await buildPage(), data);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/token/`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
