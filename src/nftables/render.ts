import { assertNever } from '../lib/assert.ts';
import { compareText, sorted } from '../lib/sort.ts';
import type {
  Chain,
  Element,
  ElementVerdict,
  KeyType,
  Match,
  NftRule,
  NftSet,
  Operation,
  Ruleset,
  Verdict,
  VerdictMap,
} from './ruleset.ts';
import { table } from './ruleset.ts';

const tableName = `${table.family} ${table.name}`;

/** One line an operation, so that line n of nft's error messages is operation n - 1. */
export function renderScript(operations: readonly Operation[]): string {
  return operations.map((operation) => `${renderOperation(operation)}\n`).join('');
}

/**
 * One line of a script. Whatever adds is in block form: nft reads the elements of all plain interval sets of the node back for
 * an `add element`, and none for a block.
 */
export function renderOperation(operation: Operation): string {
  switch (operation.verb) {
    case 'add table':
      return `add table ${tableName}`;
    case 'replace table':
      return `delete table ${tableName}; add table ${tableName}`;
    case 'add set':
      return block('set', operation.set.name, setBody(operation.set));
    case 'add map':
      return block('map', operation.map.name, mapBody(operation.map));
    case 'add chain':
      return block('chain', operation.chain.name, chainBody(operation.chain));
    case 'replace rules':
      return `flush chain ${tableName} ${operation.chain.name}; ${block('chain', operation.chain.name, chainBody(operation.chain))}`;
    case 'add elements':
      return block('set', operation.set.name, setBody({ ...operation.set, elements: new Set(operation.elements) }));
    case 'add mappings':
      return block('map', operation.map.name, mapBody({ ...operation.map, elements: operation.elements }));
    case 'delete elements':
      return `delete element ${tableName} ${operation.set.name} { ${operation.elements.join(', ')} }`;
    case 'delete mappings':
      return `delete element ${tableName} ${operation.map.name} { ${operation.elements.join(', ')} }`;
    case 'delete chain':
    case 'delete set':
    case 'delete map':
      return `${operation.verb} ${tableName} ${operation.name}`;
    default:
      return assertNever(operation);
  }
}

/** The whole table for people and golden files: names and elements sorted, loadable by `nft -f`. */
export function renderRuleset(ruleset: Ruleset): string {
  const objects = [
    ...byName(ruleset.maps).map((map) => paragraph('map', map.name, mapBody(map))),
    ...byName(ruleset.sets).map((set) => paragraph('set', set.name, setBody(set))),
    ...byName(ruleset.chains).map((chain) => paragraph('chain', chain.name, chainBody(chain))),
  ];
  return `table ${tableName} {\n${objects.join('\n')}}\n`;
}

/** A rule as nft takes it. */
export function renderRule(rule: NftRule): string {
  const parts = rule.matches.map(renderMatch);
  if (rule.counter) parts.push('counter');
  parts.push(renderVerdict(rule.verdict));
  if (rule.comment !== undefined) parts.push(`comment "${rule.comment}"`);
  return parts.join(' ');
}

export function renderMatch(match: Match): string {
  switch (match.kind) {
    case 'lookup':
      return `${match.key.join(' . ')} @${match.set}`;
    case 'compare': {
      const operator = match.op === '==' ? '' : '!= ';
      const [only, ...others] = match.values;
      const values = only !== undefined && others.length === 0 ? only : `{ ${match.values.join(', ')} }`;
      return `${match.field} ${operator}${values}`;
    }
    case 'tcp-not-syn':
      return 'tcp flags & (fin | syn | rst | ack) != syn';
    case 'sctp-not-init':
      return 'meta l4proto sctp sctp chunk init missing';
    case 'foreign':
      return `foreign ${JSON.stringify(match.text)}`;
    default:
      return assertNever(match);
  }
}

export function renderVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'jump':
    case 'goto':
      return `${verdict.kind} ${verdict.chain}`;
    case 'vmap':
      return `${verdict.key.join(' . ')} vmap @${verdict.map}`;
    case 'reject-tcp-reset':
      return 'reject with tcp reset';
    case 'return':
    case 'accept':
    case 'drop':
      return verdict.kind;
    default:
      return assertNever(verdict);
  }
}

/** The statements of an object, in order; `elements` apart, since people want them on lines of their own. */
interface Body {
  readonly statements: readonly string[];
  readonly elements: readonly string[];
}

function setBody(set: NftSet): Body {
  return { statements: [`type ${renderKey(set.key)}`, ...intervalFlag(set)], elements: sorted(set.elements) };
}

function mapBody(map: VerdictMap): Body {
  const entries = [...map.elements].sort(([a], [b]) => compareText(a, b));
  return { statements: [`type ${renderKey(map.key)} : verdict`, ...intervalFlag(map)], elements: entries.map(mapping) };
}

function chainBody(chain: Chain): Body {
  const { base } = chain;
  const header = base ? [`type filter hook ${base.hook} priority ${base.priority}; policy accept`] : [];
  return { statements: [...header, ...chain.rules.map(renderRule)], elements: [] };
}

function renderKey(key: readonly KeyType[]): string {
  return key.join(' . ');
}

function intervalFlag(object: { readonly interval: boolean }): string[] {
  return object.interval ? ['flags interval'] : [];
}

function mapping([element, verdict]: readonly [Element, ElementVerdict]): string {
  return `${element} : ${renderVerdict(verdict)}`;
}

function block(kind: 'set' | 'map' | 'chain', name: string, body: Body): string {
  const elements = body.elements.length === 0 ? [] : [`elements = { ${body.elements.join(', ')} }`];
  const statements = [...body.statements, ...elements].map((statement) => `${statement}; `);
  return `table ${tableName} { ${kind} ${name} { ${statements.join('')}}; }`;
}

function paragraph(kind: 'set' | 'map' | 'chain', name: string, body: Body): string {
  const lines = body.statements.map((statement) => `\t\t${statement}${statement.includes('; ') ? ';' : ''}\n`);
  if (body.elements.length > 0)
    lines.push(`\t\telements = {\n${body.elements.map((each) => `\t\t\t${each},\n`).join('')}\t\t}\n`);
  return `\t${kind} ${name} {\n${lines.join('')}\t}\n`;
}

function byName<T extends { readonly name: string }>(objects: ReadonlyMap<string, T>): T[] {
  return [...objects.values()].sort((a, b) => compareText(a.name, b.name));
}
