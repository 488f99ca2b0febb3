import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { Census } from './census.ts';
import type { EventWriter } from './event-writer.ts';
import { objectEvent } from './object-event.ts';

/** How many cases are known to have been told. What is forgotten is told again, and the API server has it already. */
const remembered = 5000;

/** Tells the owner of an object of an issue, once for each generation of the object, however often it is told of it. */
export class Announcer {
  readonly #node: string;
  readonly #census: Census;
  readonly #writer: Pick<EventWriter, 'add'>;
  readonly #now: () => number;
  readonly #told = new Set<string>();

  constructor(node: string, census: Census, writer: Pick<EventWriter, 'add'>, now: () => number) {
    this.#node = node;
    this.#census = census;
    this.#writer = writer;
    this.#now = now;
  }

  announce(resource: ResourceName, key: ObjectKey, issue: Issue): void {
    const version = this.#census.find(resource, key);
    if (!version) return;
    const name = [version.uid, version.generation, issue.code, issue.path].join('\n');
    if (this.#told.has(name)) return;
    if (this.#told.size >= remembered) this.#told.clear();
    this.#told.add(name);
    this.#writer.add(objectEvent({ resource, key, version }, issue, { node: this.#node, now: this.#now() }));
  }
}
