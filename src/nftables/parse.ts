import type { Json, JsonObject } from './json.ts';
import { entriesOf } from './entries.ts';
import { hasOnly, isList, isObject, listOf } from './json.ts';
import { elementParser } from './parse-element.ts';
import { foreignRule, parseElementVerdict, parseRule } from './parse-rule.ts';
import type {
  Chain,
  Element,
  ElementVerdict,
  Hook,
  KeyType,
  NftRule,
  NftSet,
  OtherObject,
  Table,
  TableFamily,
  VerdictMap,
} from './ruleset.ts';
import { catchAll, hooksOf, otherKinds, tableName } from './ruleset.ts';

/** Arguments of nft for `parseTable`. `-n`, because names of protocols and ICMP types depend on the machine. */
export function listArguments(family: TableFamily): readonly string[] {
  return ['-n', '-j', 'list', 'table', family, tableName];
}

/** The same without elements of sets and maps: the cost grows only with the rules. */
export function terseArguments(family: TableFamily): readonly string[] {
  return ['-n', '-j', '-t', 'list', 'table', family, tableName];
}

/** The same for one chain; `parseTable` reads it too. */
export function chainArguments(family: TableFamily, name: string): readonly string[] {
  return ['-n', '-j', 'list', 'chain', family, tableName, name];
}

/** The same for one set. */
export function setArguments(family: TableFamily, name: string): readonly string[] {
  return ['-n', '-j', 'list', 'set', family, tableName, name];
}

/** The same for one map. */
export function mapArguments(family: TableFamily, name: string): readonly string[] {
  return ['-n', '-j', 'list', 'map', family, tableName, name];
}

/**
 * Parses Postern's table of the family from nft's JSON into canonical form. Objects that Postern cannot have written become foreign, and do not affect
 * other objects:
 *
 * - A foreign rule has one `foreign` match. A chain with another declaration begins with such a rule.
 * - A foreign set or map (another declaration, or an element that does not fit) has an empty key and no elements.
 * - In a table with flags such as `dormant`, each base chain begins with a foreign rule.
 * - Of other kinds of objects (flow tables, named counters), it reads kind and name.
 *
 * Foreign objects equal nothing that compile produces. Throws if the text is not nft's JSON.
 */
export function parseTable(family: TableFamily, json: string): Table {
  const sets = new Map<string, NftSet>();
  const maps = new Map<string, VerdictMap>();
  const chains = new Map<string, Chain>();
  const rules = new Map<string, NftRule[]>();
  const others: OtherObject[] = [];
  let flagged: NftRule | undefined;
  for (const entry of entriesOf(json)) {
    for (const [kind, value] of Object.entries(entry)) {
      const object = value as JsonObject;
      // `flags dormant`: the kernel unregisters the table's chains from their hooks.
      if (kind === 'table' && object.flags !== undefined) flagged = foreignRule(object);
      if (object.family !== family || object.table !== tableName) continue;
      const name = String(object.name);
      if (kind === 'set') sets.set(name, parseSet(name, object));
      else if (kind === 'map') maps.set(name, parseMap(name, object));
      else if (kind === 'chain') {
        const { base, rules: own } = parseChainHeader(family, object);
        rules.set(name, own);
        chains.set(name, base ? { name, base, rules: own } : { name, rules: own });
      } else if (kind === 'rule') rules.get(String(object.chain))?.push(parseRule(object));
      else if (isOtherKind(kind)) others.push({ kind, name });
    }
  }
  if (flagged) for (const { base, name } of chains.values()) if (base) rules.get(name)!.unshift(flagged);
  return {
    sets,
    maps,
    chains,
    ...(others.length > 0 && { others }),
    ...(flagged && { isFlagged: true as const }),
  };
}

function isOtherKind(kind: string): kind is OtherObject['kind'] {
  return (otherKinds as readonly string[]).includes(kind);
}

function parseSet(name: string, object: JsonObject): NftSet {
  const foreign: NftSet = { name, key: [], interval: false, elements: new Set() };
  const records = parseRecordSet(object);
  if (records) return records;
  const header = parseSetHeader(object, ['elem']);
  if (!header) return foreign;
  const elements = new Set<Element>();
  const parseElement = elementParser(header.key);
  for (const json of listOf(object.elem)) {
    const element = parseElement(json);
    if (element === undefined) return foreign;
    elements.add(element);
  }
  return { name, ...header, elements };
}

/**
 * A set that packets add elements to. The elements are not read here (`parse-records.ts`). If one has a comment or a time of its own, no packet has
 * added it, and the set is foreign.
 */
function parseRecordSet({ size, timeout, flags, ...object }: JsonObject): NftSet | undefined {
  if (typeof size !== 'number' || typeof timeout !== 'number') return undefined;
  const named = new Set(listOf(flags));
  if (named.size !== 2 || !named.has('dynamic') || !named.has('timeout')) return undefined;
  const header = parseSetHeader(object, ['elem', 'count']);
  if (!header) return undefined;
  const added = listOf(object.elem);
  const isByPackets = (json: Json): boolean => {
    if (!isObject(json) || !isObject(json.elem)) return false;
    // Older kernels list the time of the set at each element (K39).
    const { timeout: own = timeout, ...element } = json.elem;
    return own === timeout && hasOnly(element, ['val', 'expires', 'counter']);
  };
  if (!added.every(isByPackets)) return undefined;
  const records = { seconds: timeout, size };
  return { name: String(object.name), ...header, elements: new Set(), records };
}

function parseMap(name: string, object: JsonObject): VerdictMap {
  const foreign: VerdictMap = { name, key: [], interval: false, elements: new Map() };
  const header = object.map === 'verdict' ? parseSetHeader(object, ['elem', 'map']) : undefined;
  if (!header) return foreign;
  const elements = new Map<Element, ElementVerdict>();
  const parseElement = elementParser(header.key);
  for (const json of listOf(object.elem)) {
    const [key, value] = isList(json) ? json : [];
    const element = key === catchAll && !header.interval ? catchAll : parseElement(key);
    const verdict = parseElementVerdict(value);
    if (element === undefined || !verdict) return foreign;
    elements.set(element, verdict);
  }
  return { name, ...header, elements };
}

const keyTypes: ReadonlySet<string> = new Set<KeyType>([
  'ipv4_addr',
  'ipv6_addr',
  'inet_proto',
  'inet_service',
  'ifname',
  'iface_index',
  'ether_addr',
]);

function parseSetHeader(
  object: JsonObject,
  more: readonly string[],
): { key: readonly KeyType[]; interval: boolean } | undefined {
  if (!hasOnly(object, ['family', 'table', 'name', 'handle', 'type', 'flags', ...more])) return undefined;
  const key = listOf(object.type);
  const flags = listOf(object.flags);
  if (!key.every((type) => keyTypes.has(String(type))) || !flags.every((flag) => flag === 'interval')) return undefined;
  return { key: key as readonly KeyType[], interval: flags.length > 0 };
}

function parseChainHeader(
  family: TableFamily,
  object: JsonObject,
): { base?: { hook: Hook; priority: number }; rules: NftRule[] } {
  const { type, hook, prio, policy } = object;
  const hooks: ReadonlySet<Json | undefined> = hooksOf[family];
  const known = hasOnly(object, ['family', 'table', 'name', 'handle', 'type', 'hook', 'prio', 'policy']);
  if (known && hook === undefined) return { rules: [] };
  const ours = known && type === 'filter' && hooks.has(hook) && typeof prio === 'number' && policy === 'accept';
  if (ours) return { base: { hook: hook as Hook, priority: prio }, rules: [] };
  return { rules: [foreignRule(object)] };
}
