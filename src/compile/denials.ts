import { families, type Family } from '../model/address.ts';
import { directions, type Direction } from '../model/policy.ts';
import {
  routedTable,
  type Chain,
  type Field,
  type NftRule,
  type NftSet,
  type TableFamily,
} from '../nftables/ruleset.ts';
import { parseCounters, type ChainCounter } from '../nftables/parse-counters.ts';
import { parseRecords } from '../nftables/parse-records.ts';
import { addressField, dropRule, goTo, isIn, jumpTo } from './match.ts';
import { auditedSetName, chainNames, deniedSetName, selfSetName } from './names.ts';
import { addressType } from './set-builder.ts';
import type { Parts } from './table.ts';

/**
 * Bounds the cost of a flood of denied packets: maximum records per second, in each direction and family. With these limits, a million denied packets a
 * minute cost agent and nft 2% of a core (docs/performance/all.md, D1). If the kernel cannot add a record (a full set,
 * a packet without a connection), it stops evaluating that rule. So the drop must be a rule of its own (K29).
 */
const limit = { kind: 'limit', perSecond: 100, burst: 200 } as const;
const records = { seconds: 60, size: 4096 };
/** The kernel deletes a record after so many milliseconds, whether it was read or not. */
export const recordsKeptMs = 1000 * records.seconds;

/** By what became of the packet: dropped, or passed although a policy in audit would deny it. */
const namesOf = {
  denied: { decide: chainNames.deny, record: chainNames.record, set: deniedSetName },
  audit: { decide: chainNames.wouldDeny, record: chainNames.recordAudit, set: auditedSetName },
} as const;

/** What became of a recorded packet. */
export type RecordedVerdict = keyof typeof namesOf;

/** The chains for packets that no rule of their class allows. Only these packets pay for the check whether a pod sends to itself (S5.5, K10). */
export const denials: Readonly<Record<Family, Readonly<Record<Direction, Parts>>>> = {
  ipv4: { ingress: recordsOf('denied', 'ingress', 'ipv4'), egress: recordsOf('denied', 'egress', 'ipv4') },
  ipv6: { ingress: recordsOf('denied', 'ingress', 'ipv6'), egress: recordsOf('denied', 'egress', 'ipv6') },
};

/** The chains for packets that policies in audit would deny. No rule in them drops or accepts anything. */
export const audits: Readonly<Record<Family, Readonly<Record<Direction, Parts>>>> = {
  ipv4: { ingress: recordsOf('audit', 'ingress', 'ipv4'), egress: recordsOf('audit', 'egress', 'ipv4') },
  ipv6: { ingress: recordsOf('audit', 'ingress', 'ipv6'), egress: recordsOf('audit', 'egress', 'ipv6') },
};

function recordsOf(verdict: RecordedVerdict, direction: Direction, family: Family): Parts {
  const { source, destination } = addressField[family];
  const toItself: NftRule = {
    matches: [isIn(selfSetName[family], source, destination)],
    verdict: { kind: 'return' },
  };
  const { decide, record, set } = namesOf[verdict];
  const last: NftRule = verdict === 'denied' ? dropRule() : { matches: [], counter: true, verdict: { kind: 'return' } };
  const chains: Chain[] = [
    { name: decide[direction], rules: [toItself, { matches: [limit], verdict: jumpTo(record[direction]) }, last] },
    { name: record[direction], rules: [recordRule(family, set(direction, family))] },
  ];
  return { sets: [recordSet(family, set(direction, family))], maps: [], chains };
}

/**
 * The chain of classes in which an ordered rule may deny a pod's traffic to itself through a Service (S10.18). All other packets go on to the common chain, so
 * its counter counts them.
 */
export const selfDenials: Readonly<Record<Family, Readonly<Record<Direction, Chain>>>> = {
  ipv4: { ingress: selfDenialOf('ingress', 'ipv4'), egress: selfDenialOf('egress', 'ipv4') },
  ipv6: { ingress: selfDenialOf('ingress', 'ipv6'), egress: selfDenialOf('egress', 'ipv6') },
};

function selfDenialOf(direction: Direction, family: Family): Chain {
  const { source, destination } = addressField[family];
  const isItself = isIn(selfSetName[family], source, destination);
  return {
    name: chainNames.denySelf[direction],
    rules: [
      { matches: [isItself, limit], verdict: jumpTo(chainNames.record[direction]) },
      dropRule(isItself),
      { matches: [], verdict: goTo(chainNames.deny[direction]) },
    ],
  };
}

/** The key is the connection, so that a reply has the same record as its original packet. */
function recordRule(family: Family, set: string): NftRule {
  const key: Field[] =
    family === 'ipv4'
      ? ['ct original ip saddr', 'ct reply ip saddr', 'ct protocol', 'ct reply proto-src']
      : ['ct original ip6 saddr', 'ct reply ip6 saddr', 'ct protocol', 'ct reply proto-src'];
  return { matches: [], counter: true, verdict: { kind: 'record', key, set } };
}

function recordSet(family: Family, name: string): NftSet {
  const address = addressType[family];
  return {
    name,
    key: [address, address, 'inet_proto', 'inet_service'],
    interval: false,
    elements: new Set(),
    records,
  };
}

/** A connection with dropped packets, as the kernel recorded it. */
export interface RecordedDenial {
  /** The packets passed: a policy in audit would deny them. Missing: they were dropped. */
  readonly verdict?: 'audit';
  readonly direction: Direction;
  readonly family: Family;
  /** The client, and the server after DNAT. */
  readonly source: string;
  readonly destination: string;
  /** `tcp`, `udp`, `sctp`, or an IP protocol number. */
  readonly protocol: string;
  readonly port?: number;
  /** Recorded packets, and the age of the first one. A record expires after a minute. */
  readonly packets: number;
  readonly secondsAgo: number;
}

/**
 * The nftables objects of denials in one direction and family: the chain that counts all denied packets, the chain that counts recorded ones, and
 * the set of records.
 */
export interface DenialObjects {
  readonly verdict: RecordedVerdict;
  readonly direction: Direction;
  readonly family: Family;
  readonly table: TableFamily;
  readonly deniedChain: string;
  readonly notedChain: string;
  readonly set: string;
}

/** The ruleset has the objects of a verdict, direction and family only if a pod is isolated there, or has a policy in audit. */
export const denialObjects: readonly DenialObjects[] = (['denied', 'audit'] as const).flatMap((verdict) =>
  directions.flatMap((direction) =>
    families.map((family) => ({
      verdict,
      direction,
      family,
      table: routedTable[family],
      deniedChain: namesOf[verdict].decide[direction],
      notedChain: namesOf[verdict].record[direction],
      set: namesOf[verdict].set(direction, family),
    })),
  ),
);

/** Reads the packet count of one of these chains from nft's JSON listing. */
export function readCount(chain: string, json: string): ChainCounter {
  return parseCounters(json).get(chain) ?? { packets: 0, handle: undefined };
}

const objectsOfSet = new Map(denialObjects.map((each) => [each.set, each]));

/** Reads the records of the last minute from nft's JSON listing of these sets, or of a table. */
export function readDenials(json: string): RecordedDenial[] {
  return parseRecords(json).flatMap(({ set, key, packets, secondsLeft }): RecordedDenial[] => {
    const [source, destination, protocol, port] = key;
    const of = objectsOfSet.get(set);
    if (!of || source === undefined || destination === undefined || protocol === undefined) return [];
    const { verdict, direction, family } = of;
    const hasPort = ['tcp', 'udp', 'sctp'].includes(protocol);
    const secondsAgo = Math.max(0, records.seconds - secondsLeft);
    const ends = { source, destination, protocol, ...(hasPort && { port: Number(port) }) };
    return [{ ...(verdict === 'audit' && { verdict }), direction, family, ...ends, packets, secondsAgo }];
  });
}

/** The address of the pod that a record is about. */
export function deniedAddress({
  direction,
  source,
  destination,
}: Pick<RecordedDenial, 'direction' | 'source' | 'destination'>): string {
  return direction === 'egress' ? source : destination;
}

/**
 * Returns the credible records of those in the network namespace of a pod, because a pod with NET_ADMIN can write records there: at most as many as the agent's own
 * set holds, and only those about addresses of that pod.
 */
export function believeDenials(found: readonly RecordedDenial[], addresses: ReadonlySet<string>): RecordedDenial[] {
  return found.filter((each) => addresses.has(deniedAddress(each))).slice(0, records.size);
}
