import { readElement } from './component.ts';
import { aligned, NetlinkBytes } from './netlink-bytes.ts';
import type { Element, ElementVerdict, KeyType, NftSet, Operation, TableFamily, VerdictMap } from './ruleset.ts';
import { catchAll, tableName } from './ruleset.ts';

/** One transaction, in the form in which the kernel takes it. */
export interface ElementBatch {
  readonly bytes: Uint8Array;
  /** The sequence number of its begin. The requests have the next ones, then its end. */
  readonly begin: number;
  readonly requests: number;
}

/**
 * Limits of a batch. The length of an attribute has 16 bits, and one attribute holds all elements of a request. The kernel answers each request, and the
 * answers must fit in the buffer of a socket (net.core.rmem_default).
 */
export const elementBatchLimits = { bytes: 60_000, requests: 100 } as const;

/** linux/netfilter/nfnetlink.h, nf_tables.h */
const subsystem = 10;
const types = {
  begin: 0x10,
  end: 0x11,
  addTable: subsystem << 8,
  add: (subsystem << 8) | 12,
  delete: (subsystem << 8) | 14,
} as const;
const flags = { request: 1, acknowledge: 4, create: 0x400 } as const;
const families: Readonly<Record<TableFamily, number>> = { ip: 2, ip6: 10, bridge: 7 };
/** NFTA_TABLE_NAME, NFTA_SET_ELEM_LIST_…, NFTA_LIST_ELEM, NFTA_SET_ELEM_…, NFTA_DATA_…, NFTA_VERDICT_… */
const tableParts = { name: 1 } as const;
const list = { table: 1, set: 2, elements: 3 } as const;
const item = 1;
const parts = { key: 1, data: 2, flags: 3 } as const;
const data = { value: 1, verdict: 2 } as const;
const verdictParts = { code: 1, chain: 2 } as const;
const catchAllFlag = 2;
const codes: Readonly<Record<ElementVerdict['kind'], number>> = {
  drop: 0,
  accept: 1,
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
};

/** Bytes of a field. An interface index is in the byte order of the machine. Only packets add such elements, so this encodes none. */
const widths: Readonly<Record<KeyType, number | undefined>> = {
  ipv4_addr: 4,
  ipv6_addr: 16,
  inet_proto: 1,
  inet_service: 2,
  ifname: 16,
  ether_addr: 6,
  iface_index: undefined,
};

/** The header of the begin and of the end of a batch. */
const frame = { flags: flags.request, family: 0, resource: subsystem } as const;

/** The table of a transaction that is only checked. It never exists. */
export const passingTable = 'postern-passing';

/**
 * Encodes a transaction that the kernel checks and does not commit: like that of `nft --check`, it has no end. Before the kernel answers, it waits until
 * every packet is done that began before (K27).
 */
export function encodeGracePeriod(begin: number): ElementBatch {
  const bytes = new NetlinkBytes();
  bytes.message({ ...frame, type: types.begin, sequence: begin });
  const requestFlags = flags.request | flags.acknowledge | flags.create;
  const header = { type: types.addTable, flags: requestFlags, sequence: begin + 1, family: families.ip, resource: 0 };
  bytes.message(header, () => bytes.text(tableParts.name, passingTable));
  return { bytes: bytes.take(), begin, requests: 1 };
}

/**
 * Encodes operations on elements of plain sets and maps as one transaction of the kernel (nfnetlink). Returns `undefined` for everything else: only nft
 * knows intervals, sets that packets fill, and objects that are not elements.
 * @param begin the first of the sequence numbers, one for each request and two more
 */
export function encodeElementBatch(operations: readonly Operation[], begin: number): ElementBatch | undefined {
  const requests = operations.length;
  if (requests === 0 || requests > elementBatchLimits.requests) return undefined;
  const bytes = new NetlinkBytes();
  bytes.message({ ...frame, type: types.begin, sequence: begin });
  for (const [index, operation] of operations.entries()) {
    const request = requestOf(operation);
    if (!request || !writeRequest(bytes, request, operation.family, begin + 1 + index)) return undefined;
  }
  bytes.message({ ...frame, type: types.end, sequence: begin + 1 + requests });
  return { bytes: bytes.take(), begin, requests };
}

/** Elements that one request adds or deletes; added elements of a map have verdicts. */
interface Request {
  readonly object: NftSet | VerdictMap;
  readonly does: 'add' | 'delete';
  readonly elements: readonly (readonly [Element, ElementVerdict | undefined])[];
}

function requestOf(operation: Operation): Request | undefined {
  switch (operation.verb) {
    case 'add elements':
    case 'delete elements': {
      const { set, elements } = operation;
      if (set.records) return undefined;
      const does = operation.verb === 'add elements' ? 'add' : 'delete';
      return { object: set, does, elements: elements.map((element) => [element, undefined]) };
    }
    case 'add mappings':
      return { object: operation.map, does: 'add', elements: [...operation.elements] };
    case 'delete mappings': {
      const { map, elements } = operation;
      return { object: map, does: 'delete', elements: elements.map((element) => [element, undefined]) };
    }
    default:
      return undefined;
  }
}

/** Returns false if this request is for nft. The bytes are useless then. */
function writeRequest(bytes: NetlinkBytes, request: Request, family: TableFamily, sequence: number): boolean {
  const { object, does, elements } = request;
  if (object.interval || elements.length === 0) return false;
  const requestFlags = flags.request | flags.acknowledge | (does === 'add' ? flags.create : 0);
  const header = { type: types[does], flags: requestFlags, sequence, family: families[family], resource: 0 };
  let isWritten = true;
  bytes.message(header, () => {
    bytes.text(list.table, tableName);
    bytes.text(list.set, object.name);
    bytes.nest(list.elements, () => {
      isWritten = elements.every(
        (entry) => writeElement(bytes, object.key, ...entry) && bytes.length <= elementBatchLimits.bytes,
      );
    });
  });
  return isWritten;
}

function writeElement(
  bytes: NetlinkBytes,
  key: readonly KeyType[],
  element: Element,
  verdict: ElementVerdict | undefined,
): boolean {
  const value = element === catchAll ? undefined : encodeKey(key, element);
  if (element !== catchAll && !value) return false;
  bytes.nest(item, () => {
    if (value) bytes.nest(parts.key, () => bytes.value(data.value, value));
    else bytes.number(parts.flags, catchAllFlag);
    if (verdict) bytes.nest(parts.data, () => bytes.nest(data.verdict, () => writeVerdict(bytes, verdict)));
  });
  return true;
}

function writeVerdict(bytes: NetlinkBytes, verdict: ElementVerdict): void {
  bytes.number(verdictParts.code, codes[verdict.kind]);
  if ('chain' in verdict) bytes.text(verdictParts.chain, verdict.chain);
}

/** The key of an element as packets have it: fields in network byte order; each field of several is padded with zeros to a multiple of four bytes. */
function encodeKey(key: readonly KeyType[], element: Element): Uint8Array | undefined {
  const fields = readElement(key, element);
  if (!fields) return undefined;
  const encoded: Buffer[] = [];
  for (const [index, { first, last }] of fields.entries()) {
    const width = widths[key[index]!];
    if (width === undefined || first !== last) return undefined;
    const field = Buffer.alloc(key.length > 1 ? aligned(width) : width);
    field.write(first.toString(16).padStart(2 * width, '0'), 'hex');
    encoded.push(field);
  }
  return Buffer.concat(encoded);
}
