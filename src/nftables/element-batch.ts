import { readElement } from './component.ts';
import { NetlinkBytes } from './netlink-bytes.ts';
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
import type { Element, ElementVerdict, KeyType, NftSet, Operation, VerdictMap } from './ruleset.ts';
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

/**
 * Encodes operations on elements of plain sets and maps as one transaction of the kernel (nfnetlink). Returns `undefined` for everything else: only nft
 * knows intervals, sets that packets fill, and objects that are not elements. Only the last request asks for an acknowledgement: the kernel answers it
 * when all are done, and answers each request that failed.
 * @param begin the first of the sequence numbers, one for each request and two more
 */
export function encodeElementBatch(operations: readonly Operation[], begin: number): ElementBatch | undefined {
  const requests = operations.length;
  if (requests === 0 || requests > elementBatchLimits.requests) return undefined;
  const bytes = new NetlinkBytes();
  const frame = { flags: messageFlags.request, family: 0, resource: batchResource };
  bytes.message({ ...frame, type: messageTypes.batchBegin, sequence: begin });
  for (const [index, operation] of operations.entries()) {
    const request = requestOf(operation);
    const acknowledge = index === requests - 1 ? messageFlags.acknowledge : 0;
    const header = { flags: acknowledge, sequence: begin + 1 + index, family: familyNumbers[operation.family] };
    if (!request || !writeRequest(bytes, request, header)) return undefined;
  }
  bytes.message({ ...frame, type: messageTypes.batchEnd, sequence: begin + 1 + requests });
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
function writeRequest(
  bytes: NetlinkBytes,
  { object, does, elements }: Request,
  header: { readonly flags: number; readonly sequence: number; readonly family: number },
): boolean {
  const fields = keyFields(object.key);
  if (!fields || object.interval || elements.length === 0) return false;
  const requestFlags = header.flags | messageFlags.request | (does === 'add' ? messageFlags.create : 0);
  const most = Math.min(bytes.length + elementBatchLimits.requestBytes, elementBatchLimits.bytes);
  let isWritten = true;
  const type = does === 'add' ? messageTypes.addElements : messageTypes.deleteElements;
  bytes.message({ ...header, type, flags: requestFlags, resource: 0 }, () => {
    bytes.text(listAttributes.table, tableName);
    bytes.text(listAttributes.set, object.name);
    bytes.nest(listAttributes.elements, () => {
      isWritten = elements.every((entry) => writeElement(bytes, object.key, fields, ...entry) && bytes.length <= most);
    });
  });
  return isWritten;
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
