import { once } from 'node:events';
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';

export interface Reply {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever JSON the server sent
  readonly body: any;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: unknown;
}

/** Sends requests to one server and reads its answers. */
export class ApiCaller {
  readonly #target: https.RequestOptions;

  /** @param target HTTP over a socket or to a port; HTTPS where `protocol` says so */
  constructor(target: https.RequestOptions) {
    this.#target = target;
  }

  /** The head of the answer; the body is still to come. */
  async open(path: string, { method = 'GET', headers = {}, body }: RequestOptions = {}): Promise<IncomingMessage> {
    const content = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const own = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) };
    const all = { ...own, ...(this.#target.headers as OutgoingHttpHeaders | undefined), ...headers };
    const { request } = this.#target.protocol === 'https:' ? https : http;
    const sent = request({ ...this.#target, path, method, headers: all });
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
  async *watch(path: string, headers: OutgoingHttpHeaders = {}): AsyncGenerator<Reply['body']> {
    const response = await this.open(path, { headers });
    let rest = '';
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield JSON.parse(line);
    }
  }
}
