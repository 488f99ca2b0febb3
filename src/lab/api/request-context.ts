import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FieldValidation } from './decode-request.ts';
import type { DeleteOptions } from './deletion.ts';
import type { Selection } from './listing.ts';
import type { Form } from './media-type.ts';
import { fieldAt, isJsonObject, type ApiObject } from './object.ts';
import { readBody, readInteger, readObjectBody } from './request.ts';
import { apiVersionOf } from './resources.ts';
import type { Route } from './route.ts';
import { badRequest, invalid } from './status.ts';
import { decode, TypeMismatch } from './schema/decode.ts';
import { deleteOptions } from './schema/meta.ts';
import type { Store, WriteOptions } from './store.ts';
import { forbiddenField, notSupported } from './validation/field-error.ts';

export interface Context {
  readonly store: Store;
  readonly route: Route;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Form of objects in the answer. */
  readonly form: Form;
  readonly bookmarkInterval: number;
  /** Warning headers of the answer. */
  readonly warnings: string[];
}

/** The object in the body, with the namespace of the path. */
export async function readObject({ route, request }: Context): Promise<ApiObject> {
  const body = await readObjectBody(request);
  const { resource, namespace } = route;
  const { kind, apiVersion } = body;
  if (kind === undefined && apiVersion === undefined) {
    Object.assign(body, { kind: resource.kind, apiVersion: apiVersionOf(resource) });
  }
  if (body.metadata === undefined || body.metadata === null) body.metadata = {};
  if (!isJsonObject(body.metadata)) throw badRequest('metadata must be an object');
  const stated = fieldAt(body, 'metadata', 'namespace');
  if (resource.namespaced && stated && stated !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (namespace !== undefined) body.metadata.namespace = namespace;
  return body as ApiObject;
}

export function readSelection({ route, query }: Context): Selection {
  return {
    namespace: route.namespace,
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: query.get('fieldSelector') ?? undefined,
  };
}

const fieldValidations: readonly string[] = ['Ignore', 'Strict', 'Warn'] satisfies FieldValidation[];

export function readWriteOptions({ query, warnings }: Context): WriteOptions {
  // Warn is the default of the real server.
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (!fieldValidations.includes(fieldValidation)) {
    const errors = [notSupported('fieldValidation', fieldValidation, fieldValidations)];
    throw invalid({ kind: 'CreateOptions', group: 'meta.k8s.io' }, '', errors);
  }
  return {
    dryRun: query.get('dryRun') === 'All',
    fieldValidation: fieldValidation as FieldValidation,
    onWarning: (warning) => warnings.push(warning),
  };
}

/** Both act as Background here. Orphan is not supported. */
const propagationPolicies: readonly string[] = ['Background', 'Foreground'];

/** From the query or the body; the query wins. */
export async function readDeleteOptions(context: Context): Promise<DeleteOptions> {
  const { query, request } = context;
  const body = (await readBody(request, ['application/json'])) ?? {};
  const { dryRun, propagationPolicy, ...options } = decodeDeleteOptions(body);
  const seconds = readInteger(query, 'gracePeriodSeconds') ?? options.gracePeriodSeconds;
  const policy = query.get('propagationPolicy') || propagationPolicy;
  if (policy && !propagationPolicies.includes(policy)) {
    const errors = [notSupported('propagationPolicy', policy, propagationPolicies)];
    throw invalid({ kind: 'DeleteOptions', group: 'meta.k8s.io' }, '', errors);
  }
  return {
    gracePeriodSeconds: seconds,
    preconditions: options.preconditions,
    dryRun: query.get('dryRun') === 'All' || dryRun?.includes('All'),
  };
}

type DeleteBody = Omit<DeleteOptions, 'dryRun'> & { dryRun?: string[]; propagationPolicy?: string };

function decodeDeleteOptions(body: unknown): DeleteBody {
  try {
    return decode(deleteOptions, body, []) as DeleteBody;
  } catch (error) {
    if (error instanceof TypeMismatch) throw badRequest(error.message);
    throw error;
  }
}

export function refuseInitialEvents(query: URLSearchParams): void {
  if (!query.has('sendInitialEvents')) return;
  const detail = 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
  throw invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [forbiddenField('sendInitialEvents', detail)]);
}
