import { readElement } from './component.ts';
import { aligned, NetlinkBytes, type NetlinkHeader } from './netlink-bytes.ts';
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
const frames = { begin: 0x10, end: 0x11 } as const;
/** NFT_MSG_…, and the attribute that names the table, chain or set. Deleting elements without naming one, or rules, deletes all of them. */
const messages = {
  addTable: { type: 0, name: 1, creates: true },
  addChain: { type: 3, name: 3, creates: true },
  deleteChain: { type: 5, name: 3, creates: false },
  deleteRules: { type: 8, name: 2, creates: false },
  deleteSet: { type: 11, name: 2, creates: false },
  addElements: { type: 12, name: 2, creates: true },
  deleteElements: { type: 14, name: 2, creates: false },
} as const;
/** NFTA_…_TABLE of chains, rules, sets and elements. */
const tablePart = 1;
const flags = { request: 1, acknowledge: 4, create: 0x400 } as const;
const families: Readonly<Record<TableFamily, number>> = { ip: 2, ip6: 10, bridge: 7 };
/** NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_LIST_ELEM, NFTA_SET_ELEM_…, NFTA_DATA_…, NFTA_VERDICT_… */
const elementsPart = 3;
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
  bytes.message({ ...frame, type: frames.begin, sequence: begin });
  bytes.message(headerOf('addTable', 'ip', begin + 1), () => bytes.text(messages.addTable.name, passingTable));
  return { bytes: bytes.take(), begin, requests: 1 };
}

/**
 * Encodes operations as one transaction of the kernel (nfnetlink), if each adds or deletes elements of a plain set or map, or says no more than the name of
 * an object. Returns `undefined` for everything else: only nft knows rules, declarations, intervals, and elements of sets that packets fill.
 * @param begin the first of the sequence numbers, one for each request and two more
 */
export function encodeElementBatch(operations: readonly Operation[], begin: number): ElementBatch | undefined {
  const requests = operations.length;
  if (requests === 0 || requests > elementBatchLimits.requests) return undefined;
  const bytes = new NetlinkBytes();
  bytes.message({ ...frame, type: frames.begin, sequence: begin });
  for (const [index, operation] of operations.entries()) {
    const request = requestOf(operation);
    if (!request || !writeRequest(bytes, request, operation.family, begin + 1 + index)) return undefined;
  }
  bytes.message({ ...frame, type: frames.end, sequence: begin + 1 + requests });
  return { bytes: bytes.take(), begin, requests };
}

interface Request {
  readonly message: keyof typeof messages;
  /** Of the chain or set. */
  readonly name: string;
  /** Elements that are added or deleted; added elements of a map have verdicts. */
  readonly content?: { readonly key: readonly KeyType[]; readonly elements: Elements };
}
type Elements = readonly (readonly [Element, ElementVerdict | undefined])[];

function requestOf(operation: Operation): Request | undefined {
  switch (operation.verb) {
    case 'add elements':
    case 'delete elements': {
      const { set, elements } = operation;
      if (set.records) return undefined;
      const message = operation.verb === 'add elements' ? 'addElements' : 'deleteElements';
      return elementRequest(message, set, elements.map(withoutVerdict));
    }
    case 'add mappings':
      return elementRequest('addElements', operation.map, [...operation.elements]);
    case 'delete mappings':
      return elementRequest('deleteElements', operation.map, operation.elements.map(withoutVerdict));
    case 'add chain': {
      const { name, base, rules } = operation.chain;
      return base || rules.length > 0 ? undefined : { message: 'addChain', name };
    }
    case 'flush set':
      return { message: 'deleteElements', name: operation.name };
    case 'flush chain':
      return { message: 'deleteRules', name: operation.name };
    case 'delete chain':
      return { message: 'deleteChain', name: operation.name };
    case 'delete set':
    case 'delete map':
      return { message: 'deleteSet', name: operation.name };
    default:
      return undefined;
  }
}

function withoutVerdict(element: Element): Elements[number] {
  return [element, undefined];
}

function elementRequest(
  message: 'addElements' | 'deleteElements',
  { name, key, interval }: NftSet | VerdictMap,
  elements: Elements,
): Request | undefined {
  return interval || elements.length === 0 ? undefined : { message, name, content: { key, elements } };
}

/** Returns false if this request is for nft. The bytes are useless then. */
function writeRequest(bytes: NetlinkBytes, request: Request, family: TableFamily, sequence: number): boolean {
  const { message, name, content } = request;
  const isFit = (): boolean => bytes.length <= elementBatchLimits.bytes;
  let isWritten = true;
  bytes.message(headerOf(message, family, sequence), () => {
    bytes.text(tablePart, tableName);
    bytes.text(messages[message].name, name);
    if (!content) return;
    bytes.nest(elementsPart, () => {
      isWritten = content.elements.every((entry) => writeElement(bytes, content.key, ...entry) && isFit());
    });
  });
  return isWritten && isFit();
}

function headerOf(message: keyof typeof messages, family: TableFamily, sequence: number): NetlinkHeader {
  const { type, creates } = messages[message];
  return {
    type: (subsystem << 8) | type,
    flags: flags.request | flags.acknowledge | (creates ? flags.create : 0),
    sequence,
    family: families[family],
    resource: 0,
  };
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
