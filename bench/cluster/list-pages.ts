import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResourceName } from '../../src/model/cluster.ts';
import { optionalResources } from '../../src/watch/resources.ts';
import { protobufType } from '../../src/lib/protobuf/decode-object.ts';
import { clusterObjects } from './objects.ts';
import { encodePodList } from './protobuf/pods.ts';
import { servedResources } from './served.ts';
import type { Shape } from './shapes.ts';

/** The page size of the agent (src/watch/list.ts). */
const pageSize = 500;
/** The resourceVersion of all lists. */
export const listVersion = 9_000_000;

export type Form = 'json' | 'protobuf';

/** The form of an answer, as an API server chooses it by the header `Accept`. Here only pods have protobuf. */
export function formOf(resource: ResourceName, accept: string | undefined): Form {
  return resource === 'pods' && accept?.startsWith(protobufType) === true ? 'protobuf' : 'json';
}

export const contentTypes = { json: 'application/json', protobuf: protobufType } as const;

/** Path of one page of a list, which has the format of the API server. */
export function pagePath(directory: string, resource: ResourceName, page: number, form: Form): string {
  return join(directory, `${resource}-${page}.${form}`);
}

/** Whether `writePages` has written the list. */
export function hasPages(directory: string, resource: ResourceName): boolean {
  return existsSync(pagePath(directory, resource, 0, 'json'));
}

/** Writes the lists of a cluster as answers of the API server. The `continue` token is the number of the next page. */
export function writeListPages(shape: Shape, directory: string): void {
  writePages(clusterObjects(shape), directory);
}

/** An API server may not have every resource: a list without objects is written only of those that each has. */
export function writePages(objects: Iterable<object>, directory: string): void {
  const pages = new Map(servedResources.map((each) => [each.kind, new Pages(directory, each.resource)]));
  for (const object of objects) pages.get((object as { kind: string }).kind)!.add(object);
  for (const each of pages.values()) if (!each.isEmpty || !optional.has(each.resource)) each.end();
}

const optional: ReadonlySet<ResourceName> = new Set(optionalResources.map(({ resource }) => resource));

class Pages {
  readonly #directory: string;
  readonly resource: ResourceName;
  #items: object[] = [];
  #page = 0;

  constructor(directory: string, resource: ResourceName) {
    this.#directory = directory;
    this.resource = resource;
  }

  get isEmpty(): boolean {
    return this.#page === 0 && this.#items.length === 0;
  }

  add(object: object): void {
    if (this.#items.length === pageSize) this.#write(String(this.#page + 1));
    // Items of a list have no kind.
    this.#items.push({ ...object, apiVersion: undefined, kind: undefined });
  }

  end(): void {
    this.#write(undefined);
  }

  #write(next: string | undefined): void {
    const list = { metadata: { resourceVersion: String(listVersion), continue: next }, items: this.#items };
    const write = (form: Form, page: string | Uint8Array): void =>
      writeFileSync(pagePath(this.#directory, this.resource, this.#page, form), page);
    write('json', `${JSON.stringify({ kind: 'List', ...list })}\n`);
    if (this.resource === 'pods') write('protobuf', encodePodList(list));
    this.#page++;
    this.#items = [];
  }
}
