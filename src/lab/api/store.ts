import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Deletion, type DeleteOptions } from './deletion.ts';
import { Ledger, keyOf, type LedgerListener } from './ledger.ts';
import {
  continueExpired,
  cutPage,
  parseContinue,
  parseSelection,
  parseVersion,
  type ListOptions,
  type ObjectList,
  type Selection,
} from './listing.ts';
import { adoptStoredMetadata, initialiseMetadata } from './metadata.ts';
import { objectAt, textAt, type ApiObject, type ObjectKey } from './object.ts';
import { decodePatched, decodeRequest, type FieldValidation } from './decode-request.ts';
import { applyPatch, type Patch } from './patch/patch.ts';
import { resources, type Resource, type ResourceName, type Subresource } from './resources.ts';
import { alreadyExists, conflict, forbidden, invalid, notFound, tooLargeVersion } from './status.ts';
import { checkPreconditions } from './preconditions.ts';
import { validateMetadata, validateMetadataUpdate } from './validation/metadata.ts';
import { watchSelected, type WatchSink } from './selected-watch.ts';

export interface StoreOptions {
  readonly now?: () => Date;
  readonly uid?: () => string;
  /** Number of past events for watches. The store keeps up to twice as many and then drops the older half. */
  readonly historyCapacity?: number;
  /** Mutating admission at create, after defaults and before validation; for example to allocate cluster IPs. */
  readonly admit?: (resource: ResourceName, object: ApiObject) => void;
}

export interface WriteOptions {
  /** Does not store the result. */
  readonly dryRun?: boolean | undefined;
  /** How to treat unknown fields; default: Strict. */
  readonly fieldValidation?: FieldValidation | undefined;
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** The verbs of the API server on objects in memory. Synchronous; throws ApiError. */
export class Store {
  readonly #ledger: Ledger;
  readonly #deletion: Deletion;
  readonly #options: Required<Omit<StoreOptions, 'historyCapacity'>>;

  constructor(options: StoreOptions = {}) {
    this.#options = { now: () => new Date(), uid: randomUUID, admit: () => {}, ...options };
    this.#ledger = new Ledger(options.historyCapacity ?? 10_000);
    this.#deletion = new Deletion(this.#ledger, this.#options.now);
    for (const name of ['default', 'kube-system']) {
      this.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
  }

  get resourceVersion(): string {
    return String(this.#ledger.version);
  }

  list(name: ResourceName, options: ListOptions = {}): ObjectList {
    const isSelected = parseSelection(resources[name], options);
    const asked = parseVersion(options.resourceVersion);
    if (asked > this.#ledger.version) throw tooLargeVersion(asked, this.#ledger.version);
    const start = options.continue ? parseContinue(options.continue) : { version: this.#ledger.version, offset: 0 };
    const objects = this.#ledger.allAt(start.version, name, options.namespace);
    if (!objects) throw continueExpired();
    const countRest = !options.labelSelector && !options.fieldSelector;
    return cutPage(objects.filter(isSelected), start, options.limit ?? 0, countRest);
  }

  get(name: ResourceName, key: ObjectKey): ApiObject {
    const found = this.#ledger.get(name, key);
    if (!found) throw notFound(resources[name], key.name);
    return found;
  }

  /** As `get`, but returns `undefined` for a missing object. */
  find(name: ResourceName, key: ObjectKey): ApiObject | undefined {
    return this.#ledger.get(name, key);
  }

  create(name: ResourceName, input: ApiObject, options: WriteOptions = {}): ApiObject {
    const resource = resources[name];
    const object = decodeRequest(resource, input, options);
    initialiseMetadata(resource, object, this.#options);
    this.#checkNamespace(resource, object);
    resource.rules.prepareCreate?.(object);
    resource.rules.setDefaults?.(object);
    this.#options.admit(name, object);
    const errors = [...validateMetadata(resource, object), ...(resource.rules.validate?.(object) ?? [])];
    if (errors.length > 0) throw invalid(resource, object.metadata.name ?? '', errors);
    if (this.#ledger.get(name, keyOf(object))) throw alreadyExists(resource, object.metadata.name!);
    this.#warn(resource, object, options);
    return options.dryRun ? object : this.#ledger.put(name, object);
  }

  /** Replaces the object, except the status if the kind has a status subresource. */
  update(name: ResourceName, input: ApiObject, options: WriteOptions = {}): ApiObject {
    const object = decodeRequest(resources[name], input, options);
    return this.#replace(name, keyOf(object), object, undefined, options);
  }

  /** Replaces only the status. Drops unknown fields, because controllers write one status for several kinds. */
  updateStatus(name: ResourceName, input: ApiObject, options: WriteOptions = {}): ApiObject {
    const object = decodeRequest(resources[name], input, { fieldValidation: 'Warn', ...options });
    return this.#replace(name, keyOf(object), object, 'status', options);
  }

  patch(
    name: ResourceName,
    key: ObjectKey,
    patch: Patch,
    options: WriteOptions & { readonly subresource?: 'status' | undefined } = {},
  ): ApiObject {
    const resource = resources[name];
    const patched = decodePatched(resource, applyPatch(resource, this.get(name, key), patch), patch, options);
    return this.#replace(name, key, patched, options.subresource, options);
  }

  /** Binds a pod to a node, as `pods/NAME/binding` does. */
  bind(key: ObjectKey, nodeName: string): ApiObject {
    const pod = this.get('pods', key);
    if (textAt(pod, 'spec', 'nodeName')) {
      throw conflict({ group: '', plural: 'pods/binding' }, key.name, `pod ${key.name} is already assigned to a node`);
    }
    return this.#ledger.put('pods', structuredClone({ ...pod, spec: { ...objectAt(pod, 'spec'), nodeName } }));
  }

  /** Replaces `spec.finalizers` of a namespace. Removes a terminating, empty namespace without finalizers. */
  finalize(input: ApiObject): ApiObject {
    const object = decodeRequest(resources.namespaces, input, {});
    return this.#replace('namespaces', keyOf(object), object, 'finalize', {});
  }

  /** Returns the object with its `deletionTimestamp`, or the last state of the removed object. */
  delete(name: ResourceName, key: ObjectKey, options: DeleteOptions = {}): { object: ApiObject; removed: boolean } {
    return this.#deletion.delete(name, this.get(name, key), options);
  }

  /** Reports every later event of all resources. Returns a function that stops it. */
  watch(listener: LedgerListener['onEvent']): () => void {
    return this.#ledger.watch({ onEvent: listener });
  }

  /**
   * Reports the events of one selection after `resourceVersion` ('' or '0': first all objects, as ADDED). An object that enters or
   * leaves the selection is ADDED or DELETED. For a compacted version it calls `onExpired`, without events.
   */
  watchSelected(name: ResourceName, selection: Selection, resourceVersion: string, sink: WatchSink): () => void {
    const isSelected = parseSelection(resources[name], selection);
    return watchSelected(this.#ledger, name, isSelected, parseVersion(resourceVersion), sink);
  }

  /** Drops the history: a watch or a continued list from an older version gets 410. */
  compact(): void {
    this.#ledger.compact(this.#ledger.version);
  }

  /** Ends every open `watchSelected` with 410, as a server after compaction. */
  expireWatches(): void {
    this.compact();
    this.#ledger.expireWatches();
  }

  #replace(
    name: ResourceName,
    key: ObjectKey,
    input: ApiObject,
    subresource: Subresource | undefined,
    options: WriteOptions,
  ): ApiObject {
    const resource = resources[name];
    const previous = this.get(name, key);
    checkPreconditions(resource, previous, input.metadata);
    const object = this.#merge(resource, input, previous, subresource);
    if (isDeepStrictEqual(object, previous)) return previous;
    if (resource.generation && !isDeepStrictEqual(object.spec, previous.spec)) {
      object.metadata.generation = (previous.metadata.generation ?? 0) + 1;
    }
    this.#warn(resource, object, options);
    if (options.dryRun) return object;
    const stored = this.#ledger.put(name, object);
    return this.#deletion.finishIfReleased(name, stored);
  }

  /** The new, validated object: writable fields of the subresource from `input`, the rest from `previous`. */
  #merge(resource: Resource, input: ApiObject, previous: ApiObject, subresource: Subresource | undefined): ApiObject {
    const { rules } = resource;
    if (subresource === 'status') return { ...structuredClone(previous), status: input.status ?? {} };
    if (subresource === 'finalize') return { ...structuredClone(previous), spec: input.spec };
    const object = input;
    adoptStoredMetadata(object, previous);
    if (resource.subresources.includes('status')) {
      if (previous.status === undefined) delete object.status;
      else object.status = structuredClone(previous.status);
    }
    rules.prepareUpdate?.(object, previous);
    rules.setDefaults?.(object);
    const errors = [
      ...validateMetadata(resource, object),
      ...validateMetadataUpdate(object, previous),
      ...(rules.validate?.(object) ?? []),
      ...(rules.validateUpdate?.(object, previous) ?? []),
    ];
    if (errors.length > 0) throw invalid(resource, object.metadata.name!, errors);
    return object;
  }

  #warn(resource: Resource, object: ApiObject, { onWarning }: WriteOptions): void {
    if (onWarning) for (const warning of resource.rules.warn?.(object) ?? []) onWarning(warning);
  }

  #checkNamespace(resource: Resource, object: ApiObject): void {
    if (!resource.namespaced) return;
    const name = object.metadata.namespace!;
    const namespace = this.#ledger.get('namespaces', { name });
    if (!namespace) throw notFound(resources.namespaces, name);
    if (namespace.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${name} because it is being terminated`;
    const message = `namespace ${name} is being terminated`;
    throw forbidden(resource, object.metadata.name ?? '', why, [
      { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' },
    ]);
  }
}
