import { compareText } from '../lib/sort.ts';
import { fieldTypes, isKind, isNamedType, nameOfNumber } from './field.ts';
import type { Json, JsonObject } from './json.ts';
import { hasOnly, isList, isObject, parseAll, sameJson } from './json.ts';
import { parseComponent, valueText } from './parse-component.ts';
import type { ElementVerdict, Field, Match, NftRule, Verdict } from './ruleset.ts';

/** Parses a rule of nft's JSON. If Postern cannot have written any part of it, the whole rule becomes one `foreign` match. */
export function parseRule(object: JsonObject): NftRule {
  const { expr, comment } = object;
  const known = hasOnly(object, ['family', 'table', 'chain', 'handle', 'expr', 'comment']);
  if (!known || !(comment === undefined || typeof comment === 'string')) return foreignRule(object);
  const expressions = parseAll(expr, (each) => (isObject(each) ? each : undefined));
  if (!expressions) return foreignRule(object);
  const ports: Ports = { matched: matchedProtocols(expressions), listed: new Set() };
  const countsRecords = isObject(expressions.at(-2)?.set) && takeCounter(expressions);
  const verdict = parseVerdict(expressions.pop(), ports);
  const counter = countsRecords || (verdict?.kind !== 'record' && takeCounter(expressions));
  // A TCP reset implies the protocol. nft adds that match at the head of the rule, and lists it if the rule has a counter.
  if (verdict?.kind === 'reject-tcp-reset' && isTcp(expressions[0])) expressions.shift();
  const matches = parseMatches(expressions, ports);
  if (!verdict || !matches || !isLimitAllowed(matches, verdict)) return foreignRule(object);
  return { matches, ...(counter && { counter }), verdict, ...(comment !== undefined && { comment }) };
}

function takeCounter(expressions: JsonObject[]): boolean {
  const isCounter = isObject(expressions.at(-1)?.counter);
  if (isCounter) expressions.pop();
  return isCounter;
}

/** A `limit` is allowed only before a jump to a chain that returns, or before `add @set`. Otherwise the limit would decide the packet's verdict. */
function isLimitAllowed(matches: readonly Match[], verdict: Verdict): boolean {
  return verdict.kind === 'jump' || verdict.kind === 'remember' || !matches.some(({ kind }) => kind === 'limit');
}

/**
 * Protocols of a rule, needed for its ports. After a match of a protocol, nft lists `th dport` as that protocol's port, and may omit the match of
 * the protocol.
 */
interface Ports {
  /** Protocols that the rule matches, apart from ports. */
  readonly matched: ReadonlySet<string>;
  /** Protocols whose ports the listing names. */
  readonly listed: Set<string>;
}

function matchedProtocols(expressions: readonly JsonObject[]): Set<string> {
  const protocols = new Set<string>();
  for (const { match, reject } of expressions) {
    const parsed = isObject(match) ? parseMatch(match, { matched: protocols, listed: new Set() }) : undefined;
    const protocol = reject === undefined ? parsed && impliedProtocol(parsed) : 'tcp';
    if (protocol !== undefined) protocols.add(protocol);
  }
  return protocols;
}

function impliedProtocol(match: Match): string | undefined {
  if (match.kind === 'tcp-not-syn') return 'tcp';
  if (match.kind === 'sctp-not-init') return 'sctp';
  if (match.kind !== 'compare' || match.op !== '==' || match.values.length > 1) return undefined;
  return match.field === 'meta l4proto' || match.field === 'ip protocol' ? match.values[0] : undefined;
}

export function foreignRule(json: JsonObject): NftRule {
  const { handle: _, ...rest } = json;
  return { matches: [{ kind: 'foreign', text: JSON.stringify(rest) }], verdict: { kind: 'return' } };
}

function parseVerdict(json: JsonObject | undefined, ports: Ports): Verdict | undefined {
  if (isObject(json?.vmap)) {
    const key = parseFields(json.vmap.key, ports);
    const map = parseReference(json.vmap.data);
    return key && map !== undefined ? { kind: 'vmap', key, map } : undefined;
  }
  if (isObject(json?.set)) {
    const { op, elem, set: name, stmt } = json.set;
    const key = parseFields(elem, ports);
    const set = parseReference(name);
    const kind = stmt === undefined ? 'remember' : sameJson(stmt, [{ counter: null }]) ? 'record' : undefined;
    return key && set !== undefined && op === 'add' && kind !== undefined ? { kind, key, set } : undefined;
  }
  if (isObject(json?.reject)) {
    return json.reject.type === 'tcp reset' ? { kind: 'reject-tcp-reset' } : undefined;
  }
  return parseElementVerdict(json);
}

export function parseElementVerdict(json: Json | undefined): ElementVerdict | undefined {
  if (!isObject(json)) return undefined;
  for (const kind of ['jump', 'goto'] as const) {
    const target = json[kind];
    if (isObject(target)) return { kind, chain: String(target.target) };
  }
  for (const kind of ['accept', 'drop', 'return', 'continue'] as const) if (json[kind] === null) return { kind };
  return undefined;
}

function parseMatches(expressions: readonly JsonObject[], ports: Ports): Match[] | undefined {
  const matches: Match[] = [];
  let isBareChunk = false;
  for (const { match, limit } of expressions) {
    const parsed = isObject(match) ? parseMatch(match, ports) : parseLimit(limit);
    if (!parsed) return undefined;
    if (parsed.kind === 'sctp-not-init') {
      const previous = matches.at(-1);
      if (previous?.kind === 'compare' && previous.field === 'meta l4proto' && impliedProtocol(previous) === 'sctp')
        matches.pop();
      else isBareChunk = true;
    }
    matches.push(parsed);
  }
  return isBareChunk && !ports.listed.has('sctp') ? undefined : matches;
}

function parseLimit(limit: Json | undefined): Match | undefined {
  if (!isObject(limit)) return undefined;
  const { rate, burst, per, ...others } = limit;
  const known = typeof rate === 'number' && typeof burst === 'number' && per === 'second';
  return known && Object.keys(others).length === 0 ? { kind: 'limit', perSecond: rate, burst } : undefined;
}

const sctpInitMissing: JsonObject = { op: '==', left: { 'sctp chunk': { name: 'init' } }, right: false };
const fromSocket: JsonObject = { op: '!=', left: { meta: { key: 'skuid' } }, right: 4_294_967_295 };
const packetLength: JsonObject = { meta: { key: 'length' } };
const groupBit = '01:00:00:00:00:00';
const groupMac: JsonObject = {
  op: '==',
  left: { '&': [{ payload: { protocol: 'ether', field: 'daddr' } }, groupBit] },
  right: groupBit,
};
/** fin 1, syn 2, rst 4, ack 16 */
const tcpNotSyn: JsonObject = {
  op: '!=',
  left: { '&': [{ payload: { protocol: 'tcp', field: 'flags' } }, { '|': [1, 2, 4, 16] }] },
  right: 2,
};

function isTcp(json: JsonObject | undefined): boolean {
  return sameJson(json, { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 6 } });
}

function parseMatch(match: JsonObject, ports: Ports): Match | undefined {
  if (sameJson(match, tcpNotSyn)) return { kind: 'tcp-not-syn' };
  if (sameJson(match, sctpInitMissing)) return { kind: 'sctp-not-init' };
  if (sameJson(match, fromSocket)) return { kind: 'from-socket' };
  if (sameJson(match, groupMac)) return { kind: 'group-mac' };
  if ((match.op === '>' || match.op === '<=') && sameJson(match.left, packetLength)) {
    return typeof match.right === 'number' ? { kind: 'length', op: match.op, bytes: match.right } : undefined;
  }
  const { op, right } = match;
  const key = parseFields(match.left, ports);
  if (!key) return undefined;
  const set = parseReference(right);
  if (set !== undefined) {
    if (op === '!=') return { kind: 'lookup', op, key, set };
    return op === '==' ? { kind: 'lookup', key, set } : undefined;
  }
  const [field, ...others] = key;
  if (field === undefined || others.length > 0) return undefined;
  const several = isObject(right) && isList(right.set) ? right.set : undefined;
  // nft prints a single ct state as a bit test (`in`), and several or negated states as a comparison.
  const equal = field === 'ct state' && !several ? 'in' : '==';
  if (op !== equal && op !== '!=') return undefined;
  const values = parseAll(several ?? [right ?? null], (json) => parseValue(field, json));
  if (!values) return undefined;
  return { kind: 'compare', field, op: op === '!=' ? '!=' : '==', values: values.sort(compareValues) };
}

function parseValue(field: Field, json: Json): string | undefined {
  const type = fieldTypes[field];
  if (isNamedType(type)) return typeof json === 'number' ? nameOfNumber(type, json) : undefined;
  if (type === 'kind') return typeof json === 'string' && isKind(json) ? json : undefined;
  if (type === 'inet_proto' || type === 'inet_service' || type === 'ifname') return parseComponent(type, json);
  const text = valueText(json);
  return type === 'number' && text !== undefined && !/^[0-9-]+$/.test(text) ? undefined : text;
}

/** Compares numbers by value, other texts by code units. */
function compareValues(a: string, b: string): number {
  return Number(a) - Number(b) || compareText(a, b);
}

function parseFields(json: Json | undefined, ports: Ports): Field[] | undefined {
  return parseAll(isObject(json) && isList(json.concat) ? json.concat : [json ?? null], (each) =>
    parseField(each, ports),
  );
}

const portProtocols: ReadonlySet<Json | undefined> = new Set(['tcp', 'udp', 'sctp']);
const portFields: ReadonlySet<Json | undefined> = new Set(['sport', 'dport']);
const deviceNames: ReadonlySet<Json | undefined> = new Set(['iifname', 'oifname', 'oif']);

function parseField(json: Json, ports: Ports): Field | undefined {
  if (!isObject(json)) return undefined;
  const name = fieldName(json, ports);
  return name !== undefined && Object.hasOwn(fieldTypes, name) ? (name as Field) : undefined;
}

function fieldName({ meta, ct, payload }: JsonObject, ports: Ports): string | undefined {
  if (isObject(payload)) {
    const { protocol, field } = payload;
    if (!portProtocols.has(protocol) || !portFields.has(field)) return `${String(protocol)} ${String(field)}`;
    ports.listed.add(String(protocol));
    return `${ports.matched.has(String(protocol)) ? 'th' : String(protocol)} ${String(field)}`;
  }
  if (isObject(meta)) return deviceNames.has(meta.key) ? String(meta.key) : `meta ${String(meta.key)}`;
  return isObject(ct) ? `ct ${ct.dir === undefined ? '' : `${String(ct.dir)} `}${String(ct.key)}` : undefined;
}

function parseReference(json: Json | undefined): string | undefined {
  return typeof json === 'string' && json.startsWith('@') ? json.slice(1) : undefined;
}
