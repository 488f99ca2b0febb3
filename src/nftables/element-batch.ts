import { readElement } from './component.ts';
import { NetlinkBytes, type NetlinkHeader } from './netlink-bytes.ts';
import {
  batchResource,
  catchAllFlag,
  dataAttributes,
  elementAttributes,
  familyNumbers,
  keyFields,
  listAttributes,
  listItem,
  messageFlags,
  messageTypes,
  verdictAttributes,
  verdictCodes,
  type KeyField,
} from './netlink-constants.ts';
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
 * Limits of a batch. The length of an attribute has 16 bits, and one attribute holds all elements of a request. The whole batch must fit in the buffer of
 * a socket (net.core.wmem_default: 212,992 bytes unless the node says otherwise).
 */
export const elementBatchLimits = { requests: 1_000, requestBytes: 60_000, bytes: 160_000 } as const;

/** What a request does, and the attribute that names its table, chain or set. Deleting rules, or elements without naming one, deletes all of them. */
const messages = {
  addTable: { name: 1, creates: true },
  addChain: { name: 3, creates: true },
  deleteChain: { name: 3, creates: false },
  deleteRules: { name: 2, creates: false },
  deleteSet: { name: 2, creates: false },
  addElements: { name: listAttributes.set, creates: true },
  deleteElements: { name: listAttributes.set, creates: false },
} as const;

/** The header of the begin and of the end of a batch. */
const frame = { flags: messageFlags.request, family: 0, resource: batchResource } as const;

/** The table of a transaction that is only checked. It never exists. */
export const passingTable = 'postern-passing';

/**
 * Encodes a transaction that the kernel checks and does not commit: like that of `nft --check`, it has no end. Before the kernel answers, it waits until
 * every packet is done that began before (K27).
 */
export function encodeGracePeriod(begin: number): ElementBatch {
  const bytes = new NetlinkBytes();
  bytes.message({ ...frame, type: messageTypes.batchBegin, sequence: begin });
  bytes.message(headerOf('addTable', { family: 'ip', sequence: begin + 1, isLast: true }), () =>
    bytes.text(messages.addTable.name, passingTable),
  );
  return { bytes: bytes.take(), begin, requests: 1 };
}

/**
 * Encodes operations as one transaction of the kernel (nfnetlink), if each adds or deletes elements of a plain set or map, or says no more than the name of
 * an object. Returns `undefined` for everything else: only nft knows rules, declarations, intervals, and elements of sets that packets fill. Only the last
 * request asks for an acknowledgement: the kernel answers it when all are done, and answers each request that failed.
 * @param begin the first of the sequence numbers, one for each request and two more
 */
export function encodeElementBatch(operations: readonly Operation[], begin: number): ElementBatch | undefined {
  const requests = operations.length;
  if (requests === 0 || requests > elementBatchLimits.requests) return undefined;
  const bytes = new NetlinkBytes();
  bytes.message({ ...frame, type: messageTypes.batchBegin, sequence: begin });
  for (const [index, operation] of operations.entries()) {
    const request = requestOf(operation);
    const header = { family: operation.family, sequence: begin + 1 + index, isLast: index === requests - 1 };
    if (!request || !writeRequest(bytes, request, header)) return undefined;
  }
  bytes.message({ ...frame, type: messageTypes.batchEnd, sequence: begin + 1 + requests });
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
function writeRequest(bytes: NetlinkBytes, { message, name, content }: Request, place: Place): boolean {
  const fields = content && keyFields(content.key);
  if (content && !fields) return false;
  const most = Math.min(bytes.length + elementBatchLimits.requestBytes, elementBatchLimits.bytes);
  const isFit = (): boolean => bytes.length <= most;
  let isWritten = true;
  bytes.message(headerOf(message, place), () => {
    bytes.text(listAttributes.table, tableName);
    bytes.text(messages[message].name, name);
    if (!content) return;
    bytes.nest(listAttributes.elements, () => {
      isWritten = content.elements.every((entry) => writeElement(bytes, content.key, fields!, ...entry) && isFit());
    });
  });
  return isWritten && isFit();
}

/** Of a request in its batch. */
interface Place {
  readonly family: TableFamily;
  readonly sequence: number;
  readonly isLast: boolean;
}

function headerOf(message: keyof typeof messages, { family, sequence, isLast }: Place): NetlinkHeader {
  const flags = messageFlags.request | (isLast ? messageFlags.acknowledge : 0);
  return {
    type: messageTypes[message],
    flags: flags | (messages[message].creates ? messageFlags.create : 0),
    sequence,
    family: familyNumbers[family],
    resource: 0,
  };
}

function writeElement(
  bytes: NetlinkBytes,
  key: readonly KeyType[],
  fields: readonly KeyField[],
  element: Element,
  verdict: ElementVerdict | undefined,
): boolean {
  const value = element === catchAll ? undefined : encodeKey(key, fields, element);
  if (element !== catchAll && !value) return false;
  bytes.nest(listItem, () => {
    if (value) bytes.nest(elementAttributes.key, () => bytes.value(dataAttributes.value, value));
    else bytes.number(elementAttributes.flags, catchAllFlag);
    if (verdict)
      bytes.nest(elementAttributes.data, () => bytes.nest(dataAttributes.verdict, () => writeVerdict(bytes, verdict)));
  });
  return true;
}

function writeVerdict(bytes: NetlinkBytes, verdict: ElementVerdict): void {
  bytes.number(verdictAttributes.code, verdictCodes[verdict.kind]);
  if ('chain' in verdict) bytes.text(verdictAttributes.chain, verdict.chain);
}

/** The key of an element as packets have it. */
function encodeKey(key: readonly KeyType[], fields: readonly KeyField[], element: Element): Uint8Array | undefined {
  const values = readElement(key, element);
  if (!values) return undefined;
  const encoded: Buffer[] = [];
  for (const [index, { first, last }] of values.entries()) {
    if (first !== last) return undefined;
    const { width, space } = fields[index]!;
    const field = Buffer.alloc(space);
    field.write(first.toString(16).padStart(2 * width, '0'), 'hex');
    encoded.push(field);
  }
  return Buffer.concat(encoded);
}
