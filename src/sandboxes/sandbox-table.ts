import { compareText } from '../lib/sort.ts';
import { familyOf } from '../model/address.ts';
import type { Link, NodeFact, Sandbox } from '../model/cluster.ts';
import type { CacheEntry } from './cache-entry.ts';
import { judgeLink, unknownLink, type LinkDescriptions, type SandboxLink } from './link.ts';

interface Entry {
  readonly file: string;
  readonly entry: CacheEntry;
}

interface Row {
  readonly order: number;
  /** In the order of their names. A pod whose plugin calls another through libcni has two. */
  entries: readonly Entry[];
  /** `undefined` until its devices have been asked about. */
  link: SandboxLink | undefined;
  /** Which answer it is from: an older one that comes later says nothing. */
  answer: number;
}

/** What is known of the node's sandboxes, and what of that has been told. */
export class SandboxTable {
  /** In the order in which the sandboxes were made. */
  readonly #rows = new Map<string, Row>();
  readonly #idOfFile = new Map<string, string>();
  readonly #told = new Map<string, Sandbox>();
  /** What may be otherwise than was told. */
  readonly #touched = new Set<string>();
  #lastOrder = 0;
  #toldRanges: readonly string[] = [];

  /**
   * A sandbox counts as made after all that were put before.
   * @returns its id: its devices have to be asked about
   */
  put(file: string, entry: CacheEntry): string {
    if (this.#idOfFile.get(file) !== entry.id) this.drop(file);
    this.#idOfFile.set(file, entry.id);
    const row = this.#rows.get(entry.id) ?? { order: ++this.#lastOrder, entries: [], link: undefined, answer: -1 };
    row.entries = [...row.entries.filter((each) => each.file !== file), { file, entry }].sort((a, b) =>
      compareText(a.file, b.file),
    );
    this.#rows.set(entry.id, row);
    this.#touched.add(entry.id);
    return entry.id;
  }

  drop(file: string): void {
    const id = this.#idOfFile.get(file);
    const row = id === undefined ? undefined : this.#rows.get(id);
    this.#idOfFile.delete(file);
    if (id === undefined || !row) return;
    this.#touched.add(id);
    row.entries = row.entries.filter((each) => each.file !== file);
    if (row.entries.length === 0) this.#rows.delete(id);
  }

  /** Those whose devices are not known: nobody has asked yet, or there was no answer. */
  withoutAnswer(): string[] {
    return [...this.#rows].filter(([, { answer }]) => answer < 0).map(([id]) => id);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** All that these sandboxes name on the node's side. */
  devicesOf(ids: Iterable<string>): Set<string> {
    return new Set(Array.from(ids).flatMap((id) => (this.#rows.has(id) ? devicesOf(this.#rows.get(id)!) : [])));
  }

  /**
   * @param asked the devices that `found` would have, were they there
   * @param found `undefined` if the question failed
   * @param answer the number of the question
   */
  describe(
    ids: Iterable<string>,
    asked: ReadonlySet<string>,
    found: LinkDescriptions | undefined,
    answer: number,
  ): void {
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (!row || row.answer > answer) continue;
      const devices = devicesOf(row);
      if (!devices.every((device) => asked.has(device))) continue;
      if (found) [row.link, row.answer] = [judgeLink(devices, found), answer];
      else row.link ??= unknownLink;
      this.#touched.add(id);
      this.#supersede(row);
    }
  }

  /** A device is one pod's. Where its name is made of the pod's, a reboot leaves it to the next sandbox, and the earlier ones are over. */
  #supersede(row: Row): void {
    const device = ownDeviceOf(row);
    if (device === undefined) return;
    const rivals = [...this.#rows].filter(([, each]) => ownDeviceOf(each) === device);
    const latest = Math.max(...rivals.map(([, { order }]) => order));
    for (const [id, each] of rivals) {
      if (each.order === latest) continue;
      each.link = { live: false, link: undefined };
      this.#touched.add(id);
    }
  }

  /** What has changed since the last call: ends first, then the others in the order in which the sandboxes were made. */
  news(): NodeFact[] {
    if (this.#touched.size === 0) return [];
    const touched = [...this.#touched];
    this.#touched.clear();
    const facts: NodeFact[] = [];
    for (const id of touched) {
      if (!this.#rows.has(id) && this.#told.delete(id)) facts.push({ op: 'sandbox', id, value: undefined });
    }
    const values = touched.flatMap((id) => {
      const row = this.#rows.get(id);
      return row?.link ? [sandboxOf(row, row.link)] : [];
    });
    for (const value of values.sort((a, b) => a.order - b.order)) {
      if (isSame(value, this.#told.get(value.id))) continue;
      this.#told.set(value.id, value);
      facts.push({ op: 'sandbox', id: value.id, value });
    }
    const cidrs = this.#ranges([...this.#rows.values()]);
    if (cidrs.join() !== this.#toldRanges.join()) {
      this.#toldRanges = cidrs;
      facts.push({ op: 'ranges', cidrs });
    }
    return facts;
  }

  /**
   * Those of live sandboxes: what is left from before may be of a range that another node has now. With none, what was told stays; a node
   * that has just started knows only what is left, of which the last is the likeliest.
   */
  #ranges(rows: readonly Row[]): readonly string[] {
    const rangesOf = (row: Row): readonly string[] => row.entries.flatMap(({ entry }) => entry.ranges);
    const live = rows.filter(({ link }) => link?.live).flatMap(rangesOf);
    if (live.length > 0) return [...new Set(live)].sort(compareText);
    if (this.#toldRanges.length > 0) return this.#toldRanges;
    const last = rows.findLast((row) => row.link && rangesOf(row).length > 0);
    return last ? [...new Set(rangesOf(last))].sort(compareText) : [];
  }
}

function devicesOf({ entries }: Row): string[] {
  return [...new Set(entries.flatMap(({ entry }) => entry.hostDevices))];
}

function ownDeviceOf({ link }: Row): string | undefined {
  return link?.link && (link.link.port ?? link.link.device);
}

function sandboxOf({ order, entries }: Row, { live, link }: SandboxLink): Sandbox {
  const { id, namespace, name, uid } = entries[0]!.entry;
  const addresses: string[] = [];
  for (const address of entries.flatMap(({ entry }) => entry.addresses)) {
    if (!addresses.some((each) => familyOf(each) === familyOf(address))) addresses.push(address);
  }
  return { id, namespace, name, uid, addresses, link: link && withMac(link, entries), live, order };
}

/** Where several networks of a pod name a MAC for one interface, none is sure. */
function withMac(link: Link, entries: Row['entries']): Link {
  const macs = new Set(entries.flatMap(({ entry }) => entry.mac ?? []));
  const [mac] = macs;
  return mac !== undefined && macs.size === 1 ? { ...link, mac } : link;
}

function isSame(a: Sandbox, b: Sandbox | undefined): boolean {
  return b !== undefined && textOf(a) === textOf(b);
}

function textOf({ namespace, name, uid, addresses, link, live, order }: Sandbox): string {
  return [namespace, name, uid, addresses.join(), link?.device, link?.port, link?.mac, live, order].join(' ');
}
