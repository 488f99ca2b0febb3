import { deniedAddress, type RecordedDenial } from '../../compile/denials.ts';
import { familyOf } from '../../model/address.ts';
import { namespaceOf } from '../../model/budget.ts';
import type { LeftOutReason } from '../../model/node-policies.ts';
import { auditTier, isEnforced, type Direction, type PolicyId } from '../../model/policy.ts';
import type { Budget } from '../denials/deciding-rule.ts';
import type { DenialLook } from '../denials/denial-reader.ts';
import { judgeDenial, subjectOf, type Knowledge, type Subject } from '../denials/describe-denial.ts';

/** A connection that policies in audit would deny, as the agent logs it. */
export interface AuditedConnection {
  readonly verdict: 'audit';
  readonly direction: Direction;
  /** `namespace/name` of a pod, `node NAME`, or an address. */
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly port?: number;
  /** Packets that the kernel had recorded by then. */
  readonly packets: number;
  /** The first policies in audit that select the pod, by name: all together allow nothing like it. `morePolicies` counts the others. */
  readonly policies: readonly PolicyId[];
  readonly morePolicies?: number;
}

/** Connections between two ends on one port, of one IP family. Times are milliseconds since 1970. */
export interface AuditRow extends Omit<AuditedConnection, 'verdict' | 'packets'> {
  readonly connections: number;
  readonly first: number;
  readonly last: number;
}

/** The page `/audits`. */
export interface AuditPage {
  /** The agent has counted since then. Rows may be older: those of the agent before. */
  readonly since: number;
  /** The time of the answer, by the clock of the node; missing from an older agent. */
  readonly now?: number;
  readonly rows: readonly AuditRow[];
  readonly unlisted: readonly Unlisted[];
  /** Packets that policies in audit would deny, and that the kernel did not record with their connection. */
  readonly unrecorded: readonly Unrecorded[];
  /** Policies in audit without an audit on this node, and why. */
  readonly leftOut: Readonly<Record<PolicyId, LeftOutReason>>;
}

/** Connections of rows that had no room. */
interface Unlisted {
  /** The namespace of the pod. */
  readonly namespace: string;
  readonly connections: number;
  /** When the last one was seen, or counted here. */
  readonly last: number;
}

interface Unrecorded {
  readonly direction: Direction;
  /** The namespace of the pods in whose network namespaces that was; missing for the node, where it concerns all pods. */
  readonly namespace?: string;
  readonly packets: number;
  readonly last: number;
}

interface Limits {
  /** Rows of the pods of one namespace, and of all. */
  readonly namespace: number;
  readonly node: number;
  /** Peers and ports of ClusterNetworkPolicies to compare with all connections of a look. What is left then is listed. */
  readonly compared: number;
}

/** About 2 MB, and about 50 ms for a look. If all rows are full, the namespace with the most gives one up for another. */
const defaultLimits: Limits = { namespace: 1000, node: 5000, compared: 1_000_000 };
/** A tenant can let thousands of policies in audit select a pod. Each row names so many. */
const mostNamed = 20;
/** Rows and gaps that have not been seen for so long are dropped. */
const keptMs = 7 * 24 * 60 * 60 * 1000;
/** The pause between two searches for old rows: a scan of ports could ask for one with each connection. */
const forgetEveryMs = 60_000;

/** The pod of connections, and the policies in audit that isolate it in their direction. */
interface End {
  readonly subject: Subject;
  readonly ids: readonly PolicyId[];
}

/** Counts what policies in audit would deny, for days, in bounded memory. */
export class AuditTally {
  readonly #since: number;
  readonly #limits: Limits;
  /** By namespace of the pod. The row that was seen last is the last. */
  readonly #rows = new Map<string, Map<string, AuditRow>>();
  #size = 0;
  readonly #unlisted = new Map<string, Unlisted>();
  readonly #unrecorded = new Map<string, Unrecorded>();
  #forgottenAt = -Infinity;
  /** Grows with each change of a row. */
  #version = 0;

  constructor(since: number, limits: Partial<Limits> = {}) {
    this.#since = since;
    this.#limits = { ...defaultLimits, ...limits };
  }

  /**
   * Counts new connections.
   * @returns those that policies in audit would deny now, with these policies. Connections of one address and direction share the list.
   */
  take(
    records: readonly RecordedDenial[],
    known: Knowledge,
    now: number,
  ): { readonly ids: readonly PolicyId[]; readonly connection: AuditedConnection }[] {
    const ends = new Map<string, End>();
    const budget: Budget = { left: this.#limits.compared };
    return records.flatMap((record) => {
      const key = `${deniedAddress(record)} ${record.direction}`;
      const end = ends.get(key) ?? endOf(record, known);
      ends.set(key, end);
      const { subject, ids } = end;
      if (ids.length === 0 || subject.pod === undefined || isAccepted(record, subject, known, budget)) return [];
      const connection = describe(record, ids, known);
      const { verdict: _, packets: __, ...path } = connection;
      this.#add({ ...path, connections: 1, first: now, last: now }, namespaceOf(subject.pod), now);
      return [{ ids, connection }];
    });
  }

  /** Counts the packets of a look that the kernel did not record. */
  missed(
    { direction, place, denied, noted }: Pick<DenialLook, 'direction' | 'place' | 'denied' | 'noted'>,
    now: number,
  ): void {
    if (denied <= noted) return;
    const of = place === undefined ? { direction } : { direction, namespace: namespaceOf(place) };
    const key = `${direction} ${of.namespace ?? ''}`;
    const packets = (this.#unrecorded.get(key)?.packets ?? 0) + denied - noted;
    this.#unrecorded.set(key, { ...of, packets, last: now });
  }

  get version(): number {
    return this.#version;
  }

  get rows(): AuditRow[] {
    return [...this.#rows.values()].flatMap((rows) => [...rows.values()]);
  }

  /** Takes over the rows of the agent before. What this agent counts, and what it misses, begins with its own start: it cannot know what it missed before. */
  restore(rows: readonly AuditRow[], now: number): void {
    const kept = rows.filter(({ last }) => now - last <= keptMs).toSorted((a, b) => a.last - b.last);
    for (const row of kept) this.#add(row, namespaceOf(row.direction === 'egress' ? row.from : row.to), now);
  }

  page({ policies, leftOut }: Pick<Knowledge, 'policies' | 'leftOut'>, now: number): AuditPage {
    const isKept = ({ last }: { readonly last: number }): boolean => now - last <= keptMs;
    const isInAudit = (id: PolicyId): boolean => policies.get(id)?.tier === auditTier;
    return {
      since: this.#since,
      rows: this.rows,
      unlisted: [...this.#unlisted.values()].filter(isKept),
      unrecorded: [...this.#unrecorded.values()].filter(isKept),
      leftOut: Object.fromEntries([...leftOut].filter(([id]) => isInAudit(id))),
    };
  }

  /** @param namespace of the pod whose policies would deny it */
  #add({ connections, first, last, ...path }: AuditRow, namespace: string, now: number): void {
    const { direction, from, to, protocol, port } = path;
    // Policies may judge the families apart, by blocks.
    const key = [direction, from, to, protocol, port, familyOf(path.source)].join(' ');
    const row = this.#rows.get(namespace)?.get(key);
    this.#version++;
    if (!row && !this.#makeRoom(namespace, now)) {
      this.#miss(namespace, connections, now);
      return;
    }
    if (row) this.#drop(namespace, key);
    const rows = this.#rows.get(namespace) ?? new Map<string, AuditRow>();
    this.#rows.set(namespace, rows);
    rows.set(key, {
      ...path,
      connections: (row?.connections ?? 0) + connections,
      first: Math.min(first, row?.first ?? Infinity),
      last: Math.max(last, row?.last ?? -Infinity),
    });
    this.#size++;
  }

  #miss(namespace: string, missed: number, now: number): void {
    const connections = (this.#unlisted.get(namespace)?.connections ?? 0) + missed;
    this.#unlisted.set(namespace, { namespace, connections, last: now });
  }

  #drop(namespace: string, key: string): void {
    const rows = this.#rows.get(namespace)!;
    rows.delete(key);
    this.#size--;
    if (rows.size === 0) this.#rows.delete(namespace);
  }

  #makeRoom(namespace: string, now: number): boolean {
    const own = (): number => this.#rows.get(namespace)?.size ?? 0;
    const isFull = (): boolean => this.#size >= this.#limits.node || own() >= this.#limits.namespace;
    if (isFull() && now - this.#forgottenAt >= forgetEveryMs) this.#forgetOld(now);
    if (own() >= this.#limits.namespace) return false;
    return !isFull() || this.#takeShare(own(), now);
  }

  /** Takes the row that was not seen for the longest from the namespace with the most, if that leaves it more than `own`. */
  #takeShare(own: number, now: number): boolean {
    let [most, rows] = ['', new Map<string, AuditRow>()];
    for (const [namespace, each] of this.#rows) if (each.size > rows.size) [most, rows] = [namespace, each];
    const [oldest] = rows;
    if (!oldest || rows.size <= own + 1) return false;
    const [key, { connections }] = oldest;
    this.#drop(most, key);
    this.#miss(most, connections, now);
    return true;
  }

  #forgetOld(now: number): void {
    this.#forgottenAt = now;
    for (const [namespace, rows] of this.#rows)
      for (const [key, { last }] of rows) if (now - last > keptMs) this.#drop(namespace, key);
    for (const [namespace, { last }] of this.#unlisted) if (now - last > keptMs) this.#unlisted.delete(namespace);
    for (const [key, { last }] of this.#unrecorded) if (now - last > keptMs) this.#unrecorded.delete(key);
  }
}

function endOf(record: RecordedDenial, known: Knowledge): End {
  const subject = subjectOf(record, known);
  const ids = subject.policies.flatMap((policy) =>
    !isEnforced(policy) && policy.isolates.has(record.direction) ? [policy.id] : [],
  );
  return { subject, ids };
}

/** Whether a ClusterNetworkPolicy accepts the connection, whatever NetworkPolicies say. */
function isAccepted(record: RecordedDenial, subject: Subject, known: Knowledge, budget: Budget): boolean {
  const { deciding } = judgeDenial(record, subject, known, budget);
  return deciding.by === 'rule' && deciding.decidedBy.policy.tier === 'Admin';
}

function describe(record: RecordedDenial, ids: readonly PolicyId[], { ownersOf }: Knowledge): AuditedConnection {
  const { direction, source, destination, protocol, port, packets } = record;
  const name = (address: string): string => {
    const { pods, nodes } = ownersOf(address);
    const [owner, ...others] = pods;
    if (owner && others.length === 0) return `${owner.pod.namespace}/${owner.pod.name}`;
    return nodes[0] ? `node ${nodes[0].name}` : address;
  };
  return {
    verdict: 'audit',
    direction,
    ...{ from: name(source), to: name(destination), source, destination, protocol },
    ...(port !== undefined && { port }),
    packets,
    policies: ids.slice(0, mostNamed),
    ...(ids.length > mostNamed && { morePolicies: ids.length - mostNamed }),
  };
}
