import { compareText } from '../lib/sort.ts';
import { familyOf } from '../model/address.ts';
import { podInterface, type Link, type NodeFact, type PodInterface, type Sandbox } from '../model/cluster.ts';
import type { CacheEntry } from './cache-entry.ts';
import { judgeLink, unknownLink, type LinkDescriptions, type SandboxLink } from './link.ts';

interface Entry {
  readonly file: string;
  readonly entry: CacheEntry;
  /** The runtime has not written the file yet: the CNI plugin has announced its content. */
  readonly isAnnounced: boolean;
}

interface Row {
  readonly order: number;
  /** Sorted by file name. A pod whose plugin calls another plugin through libcni has two entries. */
  entries: readonly Entry[];
  /** `undefined` until its devices have been looked up. */
  link: SandboxLink | undefined;
  /** The number of the lookup that it comes from. An older lookup that ends later is ignored. Negative if its devices must be looked up again. */
  answer: number;
  /** The device that a later sandbox has by now. */
  lost: string | undefined;
}

/** The sandboxes of the node, and the facts about them that were emitted. */
export class SandboxTable {
  /** In the order in which the sandboxes were created. */
  readonly #rows = new Map<string, Row>();
  readonly #idOfFile = new Map<string, string>();
  readonly #emitted = new Map<string, Sandbox>();
  /** Ids of sandboxes that may differ from the emitted facts. */
  readonly #touched = new Set<string>();
  #lastOrder = 0;
  #emittedRanges: readonly string[] = [];

  /**
   * Adds or updates an entry. A new sandbox counts as created after all earlier ones.
   * @param isAnnounced the runtime has not written the file yet
   * @returns the id of the sandbox, whose devices must be looked up
   */
  put(file: string, entry: CacheEntry, isAnnounced = false): string {
    if (this.#idOfFile.get(file) !== entry.id) this.drop(file);
    this.#idOfFile.set(file, entry.id);
    const row = this.#rows.get(entry.id) ?? this.#create();
    const others = row.entries.filter((each) => each.file !== file);
    row.entries = [...others, { file, entry, isAnnounced }].sort((a, b) => compareText(a.file, b.file));
    // If the lookup fails, the answer to an earlier one is about an earlier entry.
    row.answer = -1;
    this.#rows.set(entry.id, row);
    this.#touched.add(entry.id);
    return entry.id;
  }

  #create(): Row {
    return { order: ++this.#lastOrder, entries: [], link: undefined, answer: -1, lost: undefined };
  }

  drop(file: string): void {
    const id = this.#idOfFile.get(file);
    const row = id === undefined ? undefined : this.#rows.get(id);
    this.#idOfFile.delete(file);
    if (id === undefined || !row) return;
    this.#touched.add(id);
    row.entries = row.entries.filter((each) => each.file !== file);
    if (row.entries.length > 0) return;
    this.#rows.delete(id);
    this.#release(ownDeviceOf(row));
  }

  /** The sandbox that had the device ended or has another. An earlier sandbox may have the device again: the next round looks it up. */
  #release(device: string | undefined): void {
    if (device === undefined) return;
    for (const row of this.#rows.values()) if (row.lost === device) [row.lost, row.answer] = [undefined, -1];
  }

  /** Sandboxes whose devices have not been looked up successfully. */
  withoutAnswer(): string[] {
    return [...this.#rows].filter(([, { answer }]) => answer < 0).map(([id]) => id);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Sandboxes that the runtime has not recorded. Their devices must be looked up again and again: their end may leave no other trace. */
  announced(): string[] {
    return [...this.#rows].filter(([, row]) => isUnrecorded(row)).map(([id]) => id);
  }

  /** Files that were announced of pods without a device on the node, with the paths of the network namespaces that they name. */
  announcedNamespaces(): [file: string, path: string][] {
    const rows = [...this.#rows.values()].filter((row) => devicesOf(row).length === 0);
    return rows
      .flatMap((row) => row.entries)
      .flatMap(({ file, entry: { netns }, isAnnounced }) => {
        return isAnnounced && netns !== undefined ? [[file, netns] as [string, string]] : [];
      });
  }

  /** Drops announced sandboxes whose devices are gone. Returns their files. */
  dropEnded(): string[] {
    const ended = this.announced().map((id) => this.#rows.get(id)!);
    const files = ended.filter(({ link }) => link?.live === false).flatMap(({ entries }) => entries);
    for (const { file } of files) this.drop(file);
    return files.map(({ file }) => file);
  }

  /** The node's devices that these sandboxes name. */
  devicesOf(ids: Iterable<string>): Set<string> {
    return new Set(Array.from(ids).flatMap((id) => (this.#rows.has(id) ? devicesOf(this.#rows.get(id)!) : [])));
  }

  /**
   * @param asked the devices that were looked up
   * @param found those of them that exist; `undefined` if the lookup failed
   * @param answer the number of the lookup
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
      if (found) this.#judge(row, judgeLink(devices, found), answer);
      else row.link ??= unknownLink;
      this.#touched.add(id);
      this.#supersede(row);
    }
  }

  #judge(row: Row, link: SandboxLink, answer: number): void {
    const device = ownDeviceOf(row);
    [row.link, row.answer, row.lost] = [link, answer, undefined];
    if (ownDeviceOf(row) !== device) this.#release(device);
  }

  /** A device belongs to one pod. If its name is derived from the pod's name, the pod's next sandbox gets it after a reboot. Earlier sandboxes have ended. */
  #supersede(row: Row): void {
    const device = ownDeviceOf(row);
    if (device === undefined) return;
    const rivals = [...this.#rows].filter(([, each]) => ownDeviceOf(each) === device);
    const latest = Math.max(...rivals.map(([, { order }]) => order));
    for (const [id, each] of rivals) {
      if (each.order === latest) continue;
      [each.link, each.lost] = [{ live: false, link: undefined }, device];
      this.#touched.add(id);
    }
  }

  /** Returns what has changed since the last call: ended sandboxes first, then the others in the order in which they were created. */
  drainChanges(): NodeFact[] {
    if (this.#touched.size === 0) return [];
    const touched = [...this.#touched];
    this.#touched.clear();
    const facts: NodeFact[] = [];
    for (const id of touched) {
      if (!isSandbox(this.#rows.get(id)) && this.#emitted.delete(id))
        facts.push({ op: 'sandbox', id, value: undefined });
    }
    const values = touched.flatMap((id) => {
      const row = this.#rows.get(id);
      return row?.link && isSandbox(row) ? [sandboxOf(row, row.link)] : [];
    });
    for (const value of values.sort((a, b) => a.order - b.order)) {
      if (isSame(value, this.#emitted.get(value.id))) continue;
      this.#emitted.set(value.id, value);
      facts.push({ op: 'sandbox', id: value.id, value });
    }
    const cidrs = this.#ranges([...this.#rows.values()]);
    if (cidrs.join() !== this.#emittedRanges.join()) {
      this.#emittedRanges = cidrs;
      facts.push({ op: 'ranges', cidrs });
    }
    return facts;
  }

  /**
   * Returns the ranges of live sandboxes. An entry from before a reboot may have a range that belongs to another node now. Without a live sandbox, the
   * emitted ranges stay. A node that has just started uses the ranges of its newest entry.
   */
  #ranges(rows: readonly Row[]): readonly string[] {
    const rangesOf = (row: Row): readonly string[] => row.entries.flatMap(({ entry }) => entry.ranges);
    const live = rows.filter(({ link }) => link?.live).flatMap(rangesOf);
    if (live.length > 0) return [...new Set(live)].sort(compareText);
    if (this.#emittedRanges.length > 0) return this.#emittedRanges;
    const last = rows.findLast((row) => row.link && rangesOf(row).length > 0);
    return last ? [...new Set(rangesOf(last))].sort(compareText) : [];
  }
}

/** Whether the runtime has not recorded the pod's own interface yet: only Postern's CNI plugin has announced it. */
function isUnrecorded(row: Row): boolean {
  return mainEntries(row).every((each) => each.isAnnounced);
}

/** The entries of the pod's own interface. Additional networks say nothing about its addresses and its link. */
function mainEntries({ entries }: Row): Row['entries'] {
  return entries.filter(({ entry }) => entry.device === podInterface);
}

/** An additional network can be recorded before the pod's own interface, and its record can outlive it. */
function isSandbox(row: Row | undefined): boolean {
  return row !== undefined && mainEntries(row).length > 0;
}

function devicesOf(row: Row): string[] {
  return [...new Set(mainEntries(row).flatMap(({ entry }) => entry.hostDevices))];
}

function ownDeviceOf({ link }: Row): string | undefined {
  return link?.link && (link.link.port ?? link.link.device);
}

function sandboxOf(row: Row, { live, link }: SandboxLink): Sandbox {
  const { order } = row;
  const entries = mainEntries(row);
  const { id, namespace, name, uid } = entries[0]!.entry;
  const addresses: string[] = [];
  for (const address of entries.flatMap(({ entry }) => entry.addresses)) {
    if (!addresses.some((each) => familyOf(each) === familyOf(address))) addresses.push(address);
  }
  const interfaces = interfacesOf(row);
  return {
    ...{ id, namespace, name, uid, addresses, link: link && withMac(link, entries), live, order },
    ...(interfaces.length > 0 && { interfaces }),
    ...(isUnrecorded(row) && { isAnnounced: true }),
  };
}

/** One for each device in the pod. Two records of one device are those of a plugin that called another. */
function interfacesOf({ entries }: Row): PodInterface[] {
  const byDevice = new Map<string, PodInterface>();
  for (const { entry } of entries) {
    if (entry.netns === undefined) continue;
    const known = byDevice.get(entry.device)?.addresses ?? [];
    const addresses = [...new Set([...known, ...entry.addresses])];
    byDevice.set(entry.device, { device: entry.device, namespace: entry.netns, addresses });
  }
  return [...byDevice.values()];
}

/** If the networks of a pod name different MACs for its interface, the link has no MAC. */
function withMac(link: Link, entries: Row['entries']): Link {
  const macs = new Set(entries.flatMap(({ entry }) => entry.mac ?? []));
  const [mac] = macs;
  return mac !== undefined && macs.size === 1 ? { ...link, mac } : link;
}

function isSame(a: Sandbox, b: Sandbox | undefined): boolean {
  return b !== undefined && textOf(a) === textOf(b);
}

function textOf(sandbox: Sandbox): string {
  const { namespace, name, uid, addresses, link, live, order, interfaces = [], isAnnounced } = sandbox;
  const inside = interfaces.map((each) => [each.device, each.namespace, ...each.addresses].join());
  const known = [namespace, name, uid, addresses.join(), link?.device, link?.port, link?.mac, live, order, isAnnounced];
  return [...known, ...inside].join(' ');
}
