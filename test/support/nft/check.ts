import { assertNever } from '../../../src/lib/assert.ts';
import { readComponent, readElement } from '../../../src/nftables/component.ts';
import { findOverlap } from '../../../src/nftables/element-index.ts';
import { fieldTypes, isKind, isNamedType, isNameOf } from '../../../src/nftables/field.ts';
import { isName } from '../../../src/nftables/name.ts';
import { refuse } from './refusal.ts';
import { renderMatch } from '../../../src/nftables/render.ts';
import { catchAll } from '../../../src/nftables/ruleset.ts';
import type {
  Element,
  Field,
  KeyType,
  Match,
  NftRule,
  NftSet,
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../../../src/nftables/ruleset.ts';

export function checkName(name: string): void {
  if (!isName(name)) refuse('name', name);
}

/** Refuses elements of the wrong type, and elements that overlap another element of the set. */
export function checkElements(object: NftSet | VerdictMap, added: Iterable<Element>): void {
  for (const element of added) {
    if (element === catchAll && object.elements instanceof Map && !object.interval) continue;
    const intervals = readElement(object.key, element);
    if (!intervals) refuse('syntax', element);
    if (object.interval) {
      const other = findOverlap(object, element);
      if (other !== undefined) refuse('overlap', `${element} and ${other}`);
    } else if (intervals.some(({ first, last }) => first !== last)) refuse('syntax', element);
  }
}

export function checkRule(family: TableFamily, table: Table, rule: NftRule): void {
  checkFamily(family, rule);
  for (const match of rule.matches) checkMatch(table, match);
  checkVerdict(table, rule.verdict);
  const { comment = '' } = rule;
  if (/["\n]/.test(comment) || new TextEncoder().encode(comment).length > 128) refuse('syntax', comment);
}

/** The bridge table has no conntrack matches and no reject. */
function checkFamily(family: TableFamily, { matches, verdict }: NftRule): void {
  for (const part of [...matches, verdict]) {
    const fields = 'key' in part ? part.key : 'field' in part ? [part.field] : [];
    for (const field of fields) if (!isFieldIn(family, field)) refuse('type', field);
  }
  if (family === 'bridge' && verdict.kind === 'reject-tcp-reset') refuse('type', verdict.kind);
}

export function checkVerdict(table: Table, verdict: Verdict): void {
  switch (verdict.kind) {
    case 'jump':
    case 'goto': {
      const target = table.chains.get(verdict.chain);
      if (!target) refuse('unknown', verdict.chain);
      if (target.base) refuse('type', verdict.chain);
      return;
    }
    case 'vmap':
      return checkKey(table.maps.get(verdict.map), verdict.map, verdict.key);
    case 'record':
    case 'remember': {
      const set = table.sets.get(verdict.set);
      if (set && !set.records) refuse('type', verdict.set);
      return checkKey(set, verdict.set, verdict.key);
    }
    case 'return':
    case 'accept':
    case 'drop':
    case 'reject-tcp-reset':
    case 'continue':
      return;
    default:
      return assertNever(verdict);
  }
}

function checkMatch(table: Table, match: Match): void {
  switch (match.kind) {
    case 'lookup':
      return checkKey(table.sets.get(match.set), match.set, match.key);
    case 'compare': {
      const fit = match.values.every((value) => isValue(match.field, value));
      if (!fit || match.values.length === 0) refuse('syntax', renderMatch(match));
      return;
    }
    case 'foreign':
      return refuse('syntax', renderMatch(match));
    case 'tcp-not-syn':
    case 'sctp-not-init':
    case 'group-mac':
    case 'length':
    case 'from-socket':
    case 'limit':
      return;
    default:
      return assertNever(match);
  }
}

function checkKey(object: NftSet | VerdictMap | undefined, name: string, fields: readonly Field[]): void {
  if (!object) refuse('unknown', name);
  if (fields.map((field) => fieldTypes[field]).join(' . ') !== object.key.join(' . ')) refuse('type', name);
}

function isValue(field: Field, value: string): boolean {
  const type = fieldTypes[field];
  if (isNamedType(type)) return isNameOf(type, value);
  if (type === 'kind') return isKind(value);
  if (type === 'number') return /^[0-9]/.test(value) && readComponent('inet_proto', value) !== undefined;
  return readComponent(type, value) !== undefined;
}

export function sameKey(a: readonly KeyType[], b: readonly KeyType[]): boolean {
  return a.length === b.length && a.every((type, i) => type === b[i]);
}

/**
 * Fields that rules of a table must not match: nft refuses fields of packets that never occur in that table. nft would accept the ICMP type
 * of the other family and match its number in packets of this family.
 */
const strange: Readonly<Record<TableFamily, RegExp>> = {
  ip: /ip6|^icmpv6|^arp|^ether/,
  ip6: /\bip |^icmp |^arp|^ether/,
  bridge: /^ct /,
};

function isFieldIn(family: TableFamily, field: Field): boolean {
  return !strange[family].test(field);
}
