import {
  keptProtocols,
  keyOfEnd,
  places,
  verdicts,
  type FlowEnd,
  type KeptFlow,
  type KeptPort,
  type KeptProtocol,
  type Place,
  type SeenVerdict,
} from './kept-flow.ts';

/** A connection between two ends, before it is folded. */
export interface Seen {
  readonly from: SeenEnd;
  readonly to: SeenEnd;
  readonly local: Place;
  readonly protocol: KeptProtocol;
  readonly port: KeptPort;
  readonly verdict: SeenVerdict;
}

export interface SeenEnd {
  readonly end: FlowEnd;
  /** For an address outside of the cluster: the block around it that takes its place when there are too many. */
  readonly wider?: FlowEnd;
}

export interface FoldLimits {
  /** Rows that the connections of one opener may have, for each verdict. */
  readonly ofOpener: number;
  /** Rows of all openers of one namespace, for each verdict: a tenant who relabels pods has no more. */
  readonly ofNamespace: number;
  readonly all: number;
}

const defaultLimits: FoldLimits = { ofOpener: 128, ofNamespace: 1024, all: 4096 };

/** Minutes that are kept, including the current one. */
export const keptMinutes = 60;

/** All openers together. */
const everyone = 'all';

/** A row. `FlowFold` alone changes it. */
export interface FoldRow {
  readonly key: string;
  readonly from: EndEntry;
  readonly to: EndEntry;
  readonly local: Place;
  readonly protocol: KeptProtocol;
  readonly port: KeptPort;
  readonly verdict: SeenVerdict;
  /** Where its counts are. */
  readonly slot: number;
  readonly openers: readonly Used[];
  readonly form: RowForm;
  first: number;
  last: number;
}

interface EndEntry {
  readonly id: number;
  readonly key: string;
  readonly end: FlowEnd;
  rows: number;
}

/** Rows of an opener, or of a namespace of openers. Thousands of rows share it. */
interface Used {
  readonly key: string;
  rows: number;
}

type Form = Omit<Seen, 'from' | 'to'> & { readonly from: FlowEnd; readonly to: FlowEnd };

/** The rows that can count a connection: its own; one of a block of addresses; one of other ports; one of other ends; one of the namespace. */
export type RowForm = 'own' | 'block' | 'ports' | 'others' | 'namespace';

/** How a flow is kept when its opener has too many: in its own row, or in coarser and coarser ones. Each step may use some more rows than the one before. */
const steps: readonly { readonly form: RowForm; readonly share: number; readonly fold: (seen: Seen) => Form }[] = [
  { form: 'own', share: 1, fold: (seen) => ({ ...seen, from: seen.from.end, to: seen.to.end }) },
  { form: 'block', share: 1.25, fold: (seen) => ({ ...seen, from: widened(seen.from), to: widened(seen.to) }) },
  {
    form: 'ports',
    share: 1.5,
    fold: (seen) => ({ ...seen, from: widened(seen.from), to: widened(seen.to), port: otherPort(seen) }),
  },
  { form: 'others', share: 1.75, fold: (seen) => ({ ...seen, ...withOthers(seen), port: otherPort(seen) }) },
];

/**
 * Folds connections into rows by (opener, other end, protocol, port, verdict), with counts by minute for an hour. The number of rows is bounded by workloads, not by
 * connections: a scan of ports or addresses fills the rows of one workload, and then one row of "others". Each connection that it gets is counted in some row.
 */
export class FlowFold {
  readonly #limits: FoldLimits;
  readonly #rows = new Map<string, FoldRow>();
  readonly #ends = new Map<string, EndEntry>();
  /** Rows by opener, and by namespace of openers. */
  readonly #used = new Map<string, Used>();
  readonly #free: number[] = [];
  readonly #counted: Record<RowForm, number> = { own: 0, block: 0, ports: 0, others: 0, namespace: 0 };
  #counts = new Uint32Array(64 * keptMinutes);
  #slots = 0;
  #nextEnd = 0;
  #minute: number;

  constructor(minute: number, limits = defaultLimits) {
    this.#minute = minute;
    this.#limits = limits;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Moves on to a minute. Rows that were last seen an hour ago are gone then, and so are those that `find` returned. Returns false in the same minute. */
  advance(minute: number): boolean {
    if (minute <= this.#minute) return false;
    const passed = Math.min(minute - this.#minute, keptMinutes);
    this.#minute = minute;
    for (const row of this.#rows.values()) {
      if (row.last <= minute - keptMinutes) this.#remove(row);
      else for (let age = 0; age < passed; age++) this.#counts[this.#placeOf(row, minute - age)] = 0;
    }
    return true;
  }

  /**
   * The row that counts such a connection.
   * @param isNew if false and no row is there, none is made: the connection was counted under another owner of its address
   */
  find(seen: Seen, isNew = true): FoldRow | undefined {
    const openers = [...openerOf(seen), everyone];
    const { ofOpener, ofNamespace, all } = this.#limits;
    const [usedByOpener, usedByNamespace, usedByAll] = openers.map((key) => this.#used.get(key)?.rows ?? 0);
    let last = '';
    for (const { form, share, fold } of steps) {
      const folded = fold(seen);
      const key = this.#keyOf(folded);
      // A step that folds nothing gives no room.
      if (key === last) continue;
      const known = this.#rows.get((last = key));
      if (known) return known;
      // A namespace takes no more than about what it leaves free. So a few busy ones leave rows for one that comes later.
      const left = Math.min(ofNamespace, all - usedByAll!);
      const hasRoom = usedByOpener! < ofOpener * share && usedByNamespace! < left * share;
      if (hasRoom) return isNew ? this.#add(folded, openers, form) : undefined;
    }
    const rest = { ...seen, ...ofNamespaces(seen), port: otherPort(seen) };
    return this.#rows.get(this.#keyOf(rest)) ?? (isNew ? this.#add(rest, [], 'namespace') : undefined);
  }

  /** Counts connections of a row that `find` has returned since the last `advance`. */
  count(row: FoldRow, connections: number): void {
    row.last = this.#minute;
    this.#counts[this.#placeOf(row, this.#minute)]! += connections;
    this.#counted[row.form] += connections;
  }

  /** Connections counted since the start, by the row that counted them. */
  get counted(): Readonly<Record<RowForm, number>> {
    return this.#counted;
  }

  flows(): KeptFlow[] {
    return Array.from(this.#rows.values(), (row) => this.#describe(row));
  }

  #describe(row: FoldRow): KeptFlow {
    const { from, to, local, protocol, port, verdict, first, last } = row;
    const minutes: [number, number][] = [];
    for (let minute = Math.max(first, this.#minute - keptMinutes + 1); minute <= last; minute++) {
      const connections = this.#counts[this.#placeOf(row, minute)]!;
      if (connections > 0) minutes.push([minute, connections]);
    }
    const ends = { from: from.end, to: to.end, local, protocol };
    return { ...ends, ...(port !== undefined && { port }), verdict, first, last, minutes };
  }

  #add(folded: Form, chargedTo: readonly string[], form: RowForm): FoldRow {
    const [from, to] = [folded.from, folded.to].map((end) => this.#hold(end)) as [EndEntry, EndEntry];
    const { local, protocol, port, verdict } = folded;
    const slot = this.#free.pop() ?? this.#grow();
    const times = { first: this.#minute, last: this.#minute };
    const openers = chargedTo.map((key) => {
      const used = this.#used.get(key) ?? { key, rows: 0 };
      used.rows++;
      this.#used.set(key, used);
      return used;
    });
    const row: FoldRow = {
      key: this.#keyOf(folded),
      from,
      to,
      local,
      protocol,
      port,
      verdict,
      slot,
      openers,
      form,
      ...times,
    };
    this.#counts.fill(0, slot * keptMinutes, (slot + 1) * keptMinutes);
    this.#rows.set(row.key, row);
    return row;
  }

  #remove(row: FoldRow): void {
    this.#rows.delete(row.key);
    this.#free.push(row.slot);
    for (const end of [row.from, row.to]) if (--end.rows === 0) this.#ends.delete(end.key);
    for (const used of row.openers) if (--used.rows === 0) this.#used.delete(used.key);
  }

  #hold(end: FlowEnd): EndEntry {
    const key = keyOfEnd(end);
    let entry = this.#ends.get(key);
    if (!entry) this.#ends.set(key, (entry = { id: this.#nextEnd++, key, end, rows: 0 }));
    entry.rows++;
    return entry;
  }

  /** Ends without a row have no id yet: such a key is that of no row. */
  #keyOf({ from, to, local, protocol, port, verdict }: Form): string {
    const [source, destination] = [from, to].map((end) => this.#ends.get(keyOfEnd(end))?.id ?? keyOfEnd(end));
    const kinds = [places.indexOf(local), keptProtocols.indexOf(protocol), verdicts.indexOf(verdict)].join('');
    return `${source} ${destination} ${kinds} ${port ?? ''}`;
  }

  #grow(): number {
    const slot = this.#slots++;
    if ((slot + 1) * keptMinutes > this.#counts.length) {
      const counts = new Uint32Array(this.#counts.length * 2);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    return slot;
  }

  #placeOf({ slot }: FoldRow, minute: number): number {
    return slot * keptMinutes + (minute % keptMinutes);
  }
}

/**
 * Who is charged for a row: the workload that opens the connection, and its namespace. What comes from elsewhere is charged to its destination, apart from what this opens.
 * Each verdict has rows of its own: senders of forged addresses displace no client that was answered.
 */
function openerOf({ from, to, verdict }: Seen): [opener: string, namespace: string] {
  if (from.end.kind === 'workload')
    return [`${verdict} ${keyOfEnd(from.end)}`, `${verdict} namespace ${from.end.namespace}`];
  const namespace = to.end.kind === 'workload' ? to.end.namespace : '';
  return [`${verdict} to ${keyOfEnd(to.end)}`, `${verdict} to namespace ${namespace}`];
}

function widened({ end, wider = end }: SeenEnd): FlowEnd {
  return wider;
}

function otherPort({ port }: Seen): KeptPort {
  return port === undefined ? undefined : 'other';
}

const others: FlowEnd = { kind: 'others' };

/** The charged workload stays, and the other end does not. */
function withOthers({ from, to }: Seen): Pick<Form, 'from' | 'to'> {
  return from.end.kind === 'workload' ? { from: from.end, to: others } : { from: others, to: to.end };
}

function ofNamespaces({ from, to }: Seen): Pick<Form, 'from' | 'to'> {
  const namespaceOf = ({ end }: SeenEnd): FlowEnd =>
    end.kind === 'workload' ? { kind: 'namespace', name: end.namespace } : others;
  return from.end.kind === 'workload' ? { from: namespaceOf(from), to: others } : { from: others, to: namespaceOf(to) };
}
