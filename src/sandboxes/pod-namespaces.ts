import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isEntryName, readCacheEntry } from './cache-entry.ts';
import { readEntryFile } from './entry-file.ts';

/** A network namespace that the container runtime recorded for a pod of this node. */
export interface PodNamespace {
  /** `namespace/name` */
  readonly pod: string;
  readonly path: string;
  /** Of all of its recorded interfaces. */
  readonly addresses: readonly string[];
}

/** The namespaces in libcni's result cache, each once. Empty if there is no cache. Leaves out records that cannot be read. */
export async function listPodNamespaces(directory: string): Promise<PodNamespace[]> {
  const names = await readdir(directory).catch(() => []);
  const found = new Map<string, PodNamespace>();
  for (const name of names.filter((each) => isEntryName(each, 'all'))) {
    const file = await readEntryFile(join(directory, name), undefined);
    const reading = file.kind === 'text' ? readCacheEntry(file.text, name, 'all') : undefined;
    if (reading?.kind !== 'sandbox' || reading.entry.netns === undefined) continue;
    const { namespace, name: pod, netns: path, addresses } = reading.entry;
    const others = found.get(path)?.addresses ?? [];
    found.set(path, { pod: `${namespace}/${pod}`, path, addresses: [...others, ...addresses] });
  }
  return [...found.values()];
}
