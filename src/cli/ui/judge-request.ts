import { createHash, timingSafeEqual } from 'node:crypto';

/** What the server has, below the token. */
export const routes = ['', 'page.js', 'page.css', 'data'] as const;
export type Route = (typeof routes)[number];

export interface Door {
  readonly token: string;
  readonly port: number;
}

/** A request as Node.js has read it. Each header has all of its values. */
export interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
}

/** The route, or the status of an empty answer. */
export type Ruling = { readonly route: Route } | { readonly status: 404 | 405 };

const notFound = { status: 404 } as const;
/** The port that browsers leave out of Host. */
const httpPort = 80;

/**
 * Judges a request. Another page of the browser, another user of the machine, or a name that resolves to loopback (DNS rebinding) gets the answer that a wrong path
 * gets, so none learns whether the token is right. No path is decoded or joined: a URL is one of four texts.
 */
export function judgeRequest({ method, url = '', headers }: Asked, { token, port }: Door): Ruling {
  const hosts = ['127.0.0.1', 'localhost'].map((name) => (port === httpPort ? name : `${name}:${port}`));
  const host = hosts.find((each) => each === only(headers['host']));
  const [, given = '', path] = /^\/([^/]*)\/(.*)$/s.exec(url) ?? [];
  const route = routes.find((each) => each === path);
  const isKnown = isSameText(given, token);
  if (host === undefined || route === undefined || !isKnown) return notFound;
  if (headers['origin'] && only(headers['origin']) !== `http://${host}`) return notFound;
  if (!isFromHere(route, headers) || hasBody(headers)) return notFound;
  return method === 'GET' || method === 'HEAD' ? { route } : { status: 405 };
}

/**
 * Browsers say where a request comes from (Fetch Metadata). Another site, such as the file that opens the browser, may only lead the user to the page, which has no
 * data in it. It may not frame it, and may not read or run any part of it.
 */
function isFromHere(route: Route, headers: Asked['headers']): boolean {
  const site = headers['sec-fetch-site'];
  if (!site || ['same-origin', 'none'].includes(only(site) ?? '')) return true;
  return (
    route === '' && only(headers['sec-fetch-mode']) === 'navigate' && only(headers['sec-fetch-dest']) === 'document'
  );
}

function hasBody(headers: Asked['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || (only(headers['content-length'] ?? ['0']) ?? '') !== '0';
}

/** The value of a header that is there once. */
function only(values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined;
}

/** In a time that does not depend on where the texts differ. */
function isSameText(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(left, right);
}
