import { isJsonObject, listAt, textAt, type JsonObject } from '../../lib/json.ts';
import { containsAddress, parseAddress, parseCidr } from '../../model/address.ts';

/** Whether a packet meets a condition; `maybe` if that depends on an unknown field or on an unsupported expression. */
export type Answer = 'yes' | 'no' | 'maybe';

/** The first packet of a connection. A missing field may have any value. */
export interface Sample {
  readonly family: 'ipv4' | 'ipv6';
  readonly source: string;
  readonly destination: string;
  /** As the IP hooks see it: for pods on a bridge, the bridge. */
  readonly inDevice?: string | undefined;
  readonly outDevice?: string | undefined;
  /** Missing: any. */
  readonly protocol?: 'tcp' | 'udp' | undefined;
  /** 0 if no rule has set a mark; `undefined` if a rule may have set one. */
  readonly mark: number | undefined;
}

/** Evaluates the value of `{ "match": { "op", "left", "right" } }` (libnftables-json(5)). */
export function judgeMatch(match: unknown, sample: Sample): Answer {
  if (!isJsonObject(match)) return 'maybe';
  const { op, left, right } = match;
  const value = readValue(left, sample);
  if (value === absent) return 'no';
  if (value === undefined) return 'maybe';
  const equal = judgeEqual(value.is, right);
  switch (op) {
    case '==':
    case 'in':
      return equal;
    case '!=':
      return equal === 'maybe' ? 'maybe' : equal === 'yes' ? 'no' : 'yes';
    default:
      return 'maybe';
  }
}

/** The packet's value for the key of a verdict map; `undefined` if unknown. */
export function readKey(key: unknown, sample: Sample): { readonly is: string | number } | undefined {
  const value = readValue(key, sample);
  return value === absent ? undefined : value;
}

export function judgeEqual(value: string | number, right: unknown): Answer {
  if (typeof right === 'number') return typeof value === 'number' ? answer(value === right) : 'maybe';
  if (typeof right === 'string') return judgeText(value, right);
  if (Array.isArray(right)) return anyOf(right.map((each) => judgeEqual(value, each)));
  if (!isJsonObject(right)) return 'maybe';
  const set = listAt(right, 'set');
  if (Array.isArray(right['set'])) return anyOf(set.map((each) => judgeEqual(value, elementOf(each))));
  const prefix = isJsonObject(right['prefix']) ? right['prefix'] : undefined;
  if (prefix) return judgeRange(value, parseCidr(`${String(prefix['addr'])}/${String(prefix['len'])}`));
  const [first, last] = listAt(right, 'range');
  if (typeof first === 'number' && typeof last === 'number') {
    return typeof value === 'number' ? answer(value >= first && value <= last) : 'maybe';
  }
  const [from, to] = [parseAddress(String(first)), parseAddress(String(last))];
  if (from && to) return judgeRange(value, { family: from.family, first: from.value, last: to.value });
  return 'maybe';
}

const absent: unique symbol = Symbol('absent');

/** Unwraps an element that has a comment, a counter or a timeout. */
function elementOf(element: unknown): unknown {
  return isJsonObject(element) && isJsonObject(element['elem']) ? element['elem']['val'] : element;
}

function judgeText(value: string | number, right: string): Answer {
  // The elements of named sets are not listed.
  if (right.startsWith('@')) return 'maybe';
  if (typeof value === 'number') return 'maybe';
  if (right.endsWith('*')) return answer(value.startsWith(right.slice(0, -1)));
  // nft lists addresses in their canonical form.
  return answer(value === right);
}

function judgeRange(value: string | number, range: ReturnType<typeof parseCidr>): Answer {
  const address = typeof value === 'string' ? parseAddress(value) : undefined;
  return range && address ? answer(containsAddress(range, address)) : 'maybe';
}

function answer(holds: boolean): Answer {
  return holds ? 'yes' : 'no';
}

function anyOf(answers: readonly Answer[]): Answer {
  if (answers.includes('yes')) return 'yes';
  return answers.includes('maybe') ? 'maybe' : 'no';
}

function readValue(left: unknown, sample: Sample): { readonly is: string | number } | typeof absent | undefined {
  if (!isJsonObject(left)) return undefined;
  const masked = listAt(left, '&');
  if (masked.length === 2) {
    const inner = readValue(masked[0], sample);
    const mask = masked[1];
    if (inner === undefined || inner === absent) return inner;
    // BigInt: the operator & on numbers truncates to 32 bits.
    if (!Number.isSafeInteger(inner.is) || !Number.isSafeInteger(mask)) return undefined;
    return { is: Number(BigInt(inner.is) & BigInt(mask as number)) };
  }
  if (isJsonObject(left['payload'])) return readPayload(left['payload'], sample);
  const known = readMeta(left, sample);
  return known === undefined ? undefined : { is: known };
}

function readPayload(payload: JsonObject, sample: Sample): { readonly is: string } | typeof absent | undefined {
  const [protocol, field] = [textAt(payload, 'protocol'), textAt(payload, 'field')];
  if (protocol !== 'ip' && protocol !== 'ip6') {
    return sample.protocol !== undefined && protocol !== undefined && otherThan(sample.protocol).has(protocol)
      ? absent
      : undefined;
  }
  if ((protocol === 'ip') !== (sample.family === 'ipv4')) return absent;
  if (field === 'saddr') return { is: sample.source };
  if (field === 'protocol' || field === 'nexthdr') return sample.protocol && { is: sample.protocol };
  return field === 'daddr' ? { is: sample.destination } : undefined;
}

/** Headers that a packet of this protocol has not. */
function otherThan(protocol: string): ReadonlySet<string> {
  return new Set(['tcp', 'udp', 'sctp', 'icmp', 'icmpv6', 'esp', 'ah', 'gre'].filter((each) => each !== protocol));
}

function readMeta(
  left: JsonObject,
  { family, inDevice, outDevice, protocol, mark }: Sample,
): string | number | undefined {
  // No flag of `ct status` is set: nothing has translated a packet that one pod sends to the address of another, and no answer was seen.
  const ct: Readonly<Record<string, string>> = { state: 'new', direction: 'original', status: '' };
  const meta: Readonly<Record<string, string | number | undefined>> = {
    iifname: inDevice,
    oifname: outDevice,
    nfproto: family,
    l4proto: protocol,
    protocol: family === 'ipv4' ? 'ip' : 'ip6',
    mark,
  };
  return meta[textAt(left, 'meta', 'key') ?? ''] ?? ct[textAt(left, 'ct', 'key') ?? ''];
}
