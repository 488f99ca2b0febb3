import type { RecordedDenial } from '../../compile/denials.ts';
import { FlowFold, type FoldRow } from '../../flows/flow-fold.ts';
import {
  keptProtocols,
  type KeptFlow,
  type KeptProtocol,
  type Place,
  type SeenVerdict,
} from '../../flows/kept-flow.ts';
import { SeenIds } from '../../flows/seen-ids.ts';
import { formatAddress } from '../../model/address.ts';
import { trackedStatus, type TrackedConnection } from '../../nftables/conntrack-dump.ts';
import type { NodeEnd } from './end-finder.ts';

const protocols: Readonly<Record<number, KeptProtocol>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMP', 132: 'SCTP' };
/** As nft prints them. */
const protocolsByName: Readonly<Record<string, KeptProtocol>> = {
  tcp: 'TCP',
  udp: 'UDP',
  sctp: 'SCTP',
  '1': 'ICMP',
  '58': 'ICMP',
};

/** Entries of the caches, which are emptied when they are full. */
const mostCached = 16_384;

interface CachedEnd extends NodeEnd {
  readonly index: number;
}

/**
 * Enters what a node sees into the fold: tracked connections with a pod of this node at an end, and denials. Owners of addresses are cached until `forget`, so a
 * connection costs three look-ups.
 */
export class FlowBook {
  readonly #endOf: (address: string) => NodeEnd;
  readonly #fold: FlowFold;
  readonly #ids = new SeenIds();
  readonly #ends = new Map<number | string, CachedEnd>();
  /** Rows by numbers of their fields. */
  readonly #rows = new Map<number, FoldRow | undefined>();

  constructor(endOf: (address: string) => NodeEnd, minute: number) {
    this.#endOf = endOf;
    this.#fold = new FlowFold(minute);
  }

  get size(): number {
    return this.#fold.size;
  }

  get counted(): FlowFold['counted'] {
    return this.#fold.counted;
  }

  flows(): KeptFlow[] {
    return this.#fold.flows();
  }

  /** Moves on to a minute, and asks anew who owns an address. */
  forget(minute: number): void {
    this.#fold.advance(minute);
    this.#ends.clear();
    this.#rows.clear();
  }

  /** A look at all connections has ended. */
  looked(): void {
    this.#ids.turn();
  }

  connection(seen: TrackedConnection): void {
    const protocol = protocols[seen.protocol];
    if (protocol === undefined) return;
    // Before both ends, so that their numbers are of one time.
    if (this.#ends.size + 2 > mostCached) {
      this.#ends.clear();
      this.#rows.clear();
    }
    const [from, to] = [this.#cached(seen.source), this.#cached(seen.destination)];
    // Other nodes report what only crosses this node.
    if (!from.isLocal && !to.isLocal) return;
    const isAnswered = (seen.status & answeredBy[protocol]) !== 0;
    // A connection counts once without an answer, and once with one.
    const isNew = this.#ids.isNew(isAnswered ? seen.id : ~seen.id);
    const port = protocol === 'ICMP' ? undefined : seen.port;
    // Less than 2^53: at most 2^15 ends.
    const numbers = (from.index * 32_768 + to.index) * 65_536 + (port ?? 0);
    const key = numbers * 8 + keptProtocols.indexOf(protocol) * 2 + Number(isAnswered);
    let row = this.#rows.get(key);
    if (row === undefined && (isNew || !this.#rows.has(key))) {
      row = this.#find(from, to, { protocol, port, verdict: isAnswered ? 'allowed' : 'unanswered' }, isNew);
      if (this.#rows.size >= mostCached) this.#rows.clear();
      this.#rows.set(key, row);
    }
    if (row) this.#fold.count(row, isNew ? 1 : 0);
  }

  denied({ source, destination, protocol: name, port }: RecordedDenial): void {
    const protocol = protocolsByName[name];
    if (protocol === undefined) return;
    const [from, to] = [this.#endOf(source), this.#endOf(destination)];
    if (!from.isLocal && !to.isLocal) return;
    const row = this.#find(from, to, { protocol, port, verdict: 'denied' }, true);
    if (row) this.#fold.count(row, 1);
  }

  #find(
    from: NodeEnd,
    to: NodeEnd,
    rest: { readonly protocol: KeptProtocol; readonly port: number | undefined; readonly verdict: SeenVerdict },
    isNew: boolean,
  ): FoldRow | undefined {
    const local: Place = !from.isLocal ? 'destination' : to.isLocal ? 'both' : 'source';
    // What the own node sends passes on every pod of it (S5.1), so its name and its address do not matter.
    const source = from.isOwnNode ? ({ end: { kind: 'own-node' } } as const) : from;
    return this.#fold.find({ from: source, to, local, ...rest }, isNew);
  }

  #cached(address: number | string): CachedEnd {
    const known = this.#ends.get(address);
    if (known) return known;
    const found = { ...this.#endOf(textOf(address)), index: this.#ends.size };
    this.#ends.set(address, found);
    return found;
  }
}

/** The bit of a connection that was answered. SYN and RST are packets in both directions, so TCP and SCTP must have been established. */
const answeredBy: Readonly<Record<KeptProtocol, number>> = {
  TCP: trackedStatus.assured,
  SCTP: trackedStatus.assured,
  UDP: trackedStatus.answered,
  ICMP: trackedStatus.answered,
};

/** The text of an address as the dump has it. */
function textOf(address: number | string): string {
  if (typeof address === 'number') return formatAddress('ipv4', BigInt(address));
  let value = 0n;
  for (let index = 0; index < address.length; index++) value = (value << 8n) | BigInt(address.charCodeAt(index));
  return formatAddress('ipv6', value);
}
