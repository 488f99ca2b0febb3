import { readJson, type ApiReader } from './api-client.ts';
import { ApiError } from './api-error.ts';

const pageSize = 500;

/**
 * All pages of a list, each handed over before the next is fetched, so that no more than one page of raw objects is in memory.
 * Without a resourceVersion the answer is never older than anything the server said before. Resolves to the list's version.
 * A token that expires on the way leads to one list without pages, which cannot expire.
 */
export async function listAll(
  client: ApiReader,
  path: string,
  options: { readonly signal: AbortSignal; readonly silenceMs: number },
  handlePage: (items: readonly unknown[], restart: boolean) => void,
): Promise<string> {
  let paged = true;
  let token: string | undefined;
  for (;;) {
    const query = { ...(paged && { limit: String(pageSize) }), ...(token !== undefined && { continue: token }) };
    const page = await readPage(client, path, { ...options, query }).catch((error: unknown) => {
      if (token !== undefined && error instanceof ApiError && error.code === 'expired') return undefined;
      throw error;
    });
    if (page === undefined) {
      paged = false;
      token = undefined;
      continue;
    }
    handlePage(page.items, query.continue === undefined);
    if (page.token === undefined) return page.version;
    token = page.token;
  }
}

async function readPage(
  client: ApiReader,
  path: string,
  options: Parameters<ApiReader['get']>[1],
): Promise<{ items: readonly unknown[]; version: string; token: string | undefined }> {
  const raw = (await readJson(await client.get(path, options))) as {
    items?: unknown;
    metadata?: { resourceVersion?: unknown; continue?: unknown };
  } | null;
  // `items: null` is how Go writes a list without entries.
  const items = raw?.items === null ? [] : raw?.items;
  const version = raw?.metadata?.resourceVersion;
  if (!Array.isArray(items) || typeof version !== 'string') throw new ApiError('malformed', `no list at ${path}`);
  const next = raw?.metadata?.continue;
  return { items, version, token: typeof next === 'string' && next !== '' ? next : undefined };
}
