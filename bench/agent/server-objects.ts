import { ObjectDigest } from '../../src/lib/object-digest.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import { readIdentity, type ObjectIdentity } from '../../src/watch/decode.ts';
import { listVersion } from '../cluster/list-pages.ts';
import { servedResources } from '../cluster/served.ts';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

const resourceOfKind = new Map(servedResources.map(({ kind, resource }) => [kind, resource]));

/** The objects of the API server, and their versions as the agent's page `/applied` has them. */
export class ServerObjects {
  readonly #digests = new Map(resourceNames.map((name) => [name, new ObjectDigest()]));
  readonly #known = new Map<string, ObjectIdentity>();
  #last = listVersion;

  /** Notes the objects of the lists while they pass. */
  *listed(objects: Iterable<object>): Generator<object> {
    for (const object of objects) {
      this.#note('ADDED', object);
      yield object;
    }
  }

  /** The object with the version of its event. */
  write(type: EventType, object: object): object {
    const { metadata } = object as { metadata: object };
    const written = { ...object, metadata: { ...metadata, resourceVersion: String(++this.#last) } };
    this.#note(type, written);
    return written;
  }

  /** Digests, by resource. */
  get versions(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#digests].map(([name, digest]) => [name, digest.toString()]));
  }

  #note(type: EventType, object: object): void {
    const { kind } = object as { kind: string };
    const digest = this.#digests.get(resourceOfKind.get(kind)!)!;
    const identity = readIdentity(object)!;
    const key = [kind, identity.namespace, identity.name].join('/');
    const known = this.#known.get(key);
    if (known) digest.remove(known.uid, known.resourceVersion);
    this.#known.delete(key);
    if (type === 'DELETED') return;
    digest.add(identity.uid, identity.resourceVersion);
    this.#known.set(key, identity);
  }
}
