import { textAt, type ApiObject, type ObjectKey } from './object.ts';
import type { Patch, PatchType } from './patch/patch.ts';
import { contentType, readBody, readBoolean, readInteger, readObjectBody } from './request.ts';
import {
  readDeleteOptions,
  readObject,
  readSelection,
  readWriteOptions,
  refuseInitialEvents,
  type Context,
} from './request-context.ts';
import { apiVersionOf, subresourceVerbs } from './resources.ts';
import type { Route } from './route.ts';
import { badRequest, methodNotAllowed, unsupportedMediaType, type Status } from './status.ts';
import { makeTable, type IncludeObject } from './table.ts';
import { streamWatch } from './watch-stream.ts';

export interface Answer {
  readonly code: number;
  /** JSON, or bytes. */
  readonly body: unknown;
  readonly mediaType?: string;
}

type Handler = (context: Context) => Answer | undefined | Promise<Answer>;

const handlers = {
  list: listOrWatch,
  create: createObject,
  get: getObject,
  update: replaceObject,
  patch: patchObject,
  delete: deleteObject,
} satisfies Record<string, Handler>;

type Verb = keyof typeof handlers;

const collectionVerbs: Readonly<Record<string, Verb>> = { GET: 'list', POST: 'create' };
const objectVerbs: Readonly<Record<string, Verb>> = { GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Handles a request. Returns `undefined` if it has started a stream. Rejects with an ApiError. */
export async function handle(context: Context): Promise<Answer | undefined> {
  const { route, request } = context;
  const method = request.method ?? 'GET';
  const verb = verbOf(method, route);
  if (!verb) throw methodNotAllowed();
  return route.subresource === 'binding' ? bindPod(context) : handlers[verb](context);
}

function verbOf(method: string, { resource, namespace, objectName, subresource }: Route): Verb | undefined {
  if (subresource) {
    const verb = method === 'POST' ? 'create' : objectVerbs[method];
    const allowed: readonly string[] = subresourceVerbs[subresource];
    return verb && allowed.includes(verb) ? verb : undefined;
  }
  if (objectName !== undefined) return objectVerbs[method];
  const acrossNamespaces = resource.namespaced && namespace === undefined;
  return acrossNamespaces && method !== 'GET' ? undefined : collectionVerbs[method];
}

function listOrWatch(context: Context): Answer | undefined {
  const { store, route, query, response } = context;
  const selection = readSelection(context);
  refuseInitialEvents(query);
  const resourceVersion = query.get('resourceVersion') ?? '';
  if (readBoolean(query, 'watch')) {
    const watch = {
      name: route.name,
      selection,
      resourceVersion,
      allowBookmarks: readBoolean(query, 'allowWatchBookmarks'),
      timeoutSeconds: readInteger(query, 'timeoutSeconds'),
      bookmarkInterval: context.bookmarkInterval,
      present: (object: ApiObject) => present(context, [object], object),
    };
    streamWatch(store, watch, response);
    return undefined;
  }
  const page = store.list(route.name, {
    ...selection,
    limit: readInteger(query, 'limit'),
    continue: query.get('continue') ?? undefined,
    resourceVersion,
  });
  const { items, ...metadata } = page;
  const list = { kind: `${route.resource.kind}List`, apiVersion: apiVersionOf(route.resource), metadata, items };
  return { code: 200, body: present(context, items, list) };
}

function getObject(context: Context): Answer {
  const { store, route } = context;
  return answerObject(context, 200, store.get(route.name, keyOf(route)));
}

async function createObject(context: Context): Promise<Answer> {
  const { store, route } = context;
  const object = await readObject(context);
  return answerObject(context, 201, store.create(route.name, object, readWriteOptions(context)));
}

async function replaceObject(context: Context): Promise<Answer> {
  const { store, route } = context;
  const object = await readObject(context);
  const name = object.metadata.name;
  if (name !== route.objectName) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${route.objectName})`);
  }
  const options = readWriteOptions(context);
  const { name: resource, subresource } = route;
  if (subresource === 'status') return answerObject(context, 200, store.updateStatus(resource, object, options));
  if (subresource === 'finalize') return answerObject(context, 200, store.finalize(object));
  return answerObject(context, 200, store.update(resource, object, options));
}

const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

async function patchObject(context: Context): Promise<Answer> {
  const { store, route, request } = context;
  const media = contentType(request);
  const type = patchTypes[media];
  // Server-side apply needs field ownership, so it is refused as by a server without that feature.
  const accepted = Object.keys(patchTypes).filter(
    (each) => !route.resource.isCustom || patchTypes[each] !== 'strategic',
  );
  if (!type || !accepted.includes(media)) throw unsupportedMediaType(accepted);
  const patch: Patch = { type, body: await readBody(request, [media]) };
  const subresource = route.subresource === 'status' ? 'status' : undefined;
  const options = { ...readWriteOptions(context), subresource } as const;
  return answerObject(context, 200, store.patch(route.name, keyOf(route), patch, options));
}

async function deleteObject(context: Context): Promise<Answer> {
  const { store, route } = context;
  const options = await readDeleteOptions(context);
  const { object, removed } = store.delete(route.name, keyOf(route), options);
  if (!removed) return answerObject(context, 200, object);
  const { group, plural } = route.resource;
  const details = {
    name: object.metadata.name!,
    ...(group !== '' && { group }),
    kind: plural,
    uid: object.metadata.uid!,
  };
  const body: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
  return { code: 200, body };
}

async function bindPod(context: Context): Promise<Answer> {
  const { store, route, request } = context;
  const node = textAt(await readObjectBody(request), 'target', 'name');
  if (!node) throw badRequest('target.name: Required value');
  store.bind(keyOf(route), node);
  return { code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } };
}

function answerObject(context: Context, code: number, object: ApiObject): Answer {
  return { code, body: present(context, [object], object) };
}

/** Returns `whole`, or a table of `objects` with the metadata of the list. */
function present({ route, query, form }: Context, objects: readonly ApiObject[], whole: { metadata: object }): object {
  if (form === 'object') return whole;
  const include = (query.get('includeObject') || 'Metadata') as IncludeObject;
  const { resourceVersion, continue: next, remainingItemCount } = whole.metadata as Record<string, unknown>;
  const metadata = { resourceVersion, continue: next, remainingItemCount };
  return makeTable(route.name, objects, metadata, include, new Date());
}

function keyOf(route: Route): ObjectKey {
  return { namespace: route.namespace, name: route.objectName! };
}
