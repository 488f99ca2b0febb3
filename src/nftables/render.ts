import { assertNever } from '../lib/assert.ts';
import { compareText, sorted } from '../lib/sort.ts';
import { fieldTypes, type FieldType } from './field.ts';
import type {
  Chain,
  Element,
  KeyType,
  Match,
  NftRule,
  NftSet,
  Operation,
  Ruleset,
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from './ruleset.ts';
import { catchAll, tableFamilies, tableName } from './ruleset.ts';

/**
 * Renders one line per operation, so that line n of nft's error messages is operation n - 1 (K28). Consecutive additions to the same table share a
 * block, one line each: nft rebuilds the caches of a table for every block, which takes 0.3 ms. Within a block, nft handles chains before sets before
 * rules, so a block names no object twice.
 *
 * `isCheck`: for `nft --check`. Even for a check, the kernel registers a base chain, and drops all queued packets when it unregisters it again. It
 * registers no chains of a dormant table, so a new table is made dormant.
 */
export function renderScript(operations: readonly Operation[], { isCheck = false } = {}): string {
  const dormant = new Set(isCheck ? operations.filter(makesTable).map(({ family }) => family) : []);
  const lines: string[] = [];
  let open: string | undefined;
  const names = new Set<string>();
  const close = (): void => {
    if (open) lines.push(`${lines.pop()!}; }`);
    open = undefined;
  };
  for (const operation of operations) {
    const { before, addition } = lineOf(operation);
    const name = nameOfTable(operation.family);
    const joins = addition && before === undefined && open === name && !addition.names.some((each) => names.has(each));
    if (!joins) close();
    if (!addition) lines.push(makesTable(operation) && dormant.size > 0 ? `${before!} { flags dormant; }` : before!);
    else if (open) lines.push(addition.text);
    else {
      open = name;
      names.clear();
      const flags = dormant.has(operation.family) ? 'flags dormant; ' : '';
      lines.push(`${before === undefined ? '' : `${before}; `}table ${name} { ${flags}${addition.text}`);
    }
    for (const each of addition?.names ?? []) names.add(each);
  }
  close();
  return lines.map((line) => `${line}\n`).join('');
}

function makesTable({ verb }: Operation): boolean {
  return verb === 'add table' || verb === 'replace table';
}

/** Statements of a block, and the objects that they name. */
interface Addition {
  readonly names: readonly string[];
  readonly text: string;
}

/** A separate statement, an addition inside a table block, or both in this order. */
interface Line {
  readonly before?: string;
  readonly addition?: Addition;
}

/**
 * Additions use the block form (K18): for an `add element` command, nft reads back the elements of all plain interval sets of the node; for a
 * block it reads none.
 */
function lineOf(operation: Operation): Line {
  const ours = nameOfTable(operation.family);
  switch (operation.verb) {
    case 'add table':
      return { before: `add table ${ours}` };
    case 'replace table':
      return { before: `delete table ${ours}; add table ${ours}` };
    case 'add set':
      return inBlock('set', operation.set.name, setBody(operation.set));
    case 'add map':
      return inBlock('map', operation.map.name, mapBody(operation.map));
    case 'add chain':
      return inBlock('chain', operation.chain.name, chainBody(operation.chain));
    case 'replace rules': {
      const { chain } = operation;
      return {
        before: `flush chain ${ours} ${chain.name}`,
        ...inBlock('chain', chain.name, chainBody(chain)),
      };
    }
    case 'add elements': {
      const { set, elements } = operation;
      return inBlock('set', set.name, setBody({ ...set, elements: new Set(elements) }));
    }
    case 'add mappings': {
      const { map, elements } = operation;
      return inBlock('map', map.name, mapBody({ ...map, elements }));
    }
    case 'delete elements': {
      const { set, elements } = operation;
      return { before: deleteElements(ours, set, elements) };
    }
    case 'delete mappings': {
      const { map, elements } = operation;
      return { before: deleteElements(ours, map, elements) };
    }
    case 'flush chain':
    case 'flush set':
    case 'delete chain':
    case 'delete set':
    case 'delete map':
      return { before: `${operation.verb} ${ours} ${operation.name}` };
    case 'delete other':
      return { before: `delete ${operation.kind} ${ours} ${operation.name}` };
    default:
      return assertNever(operation);
  }
}

function deleteElements(ours: string, { name, key }: NftSet | VerdictMap, elements: readonly Element[]): string {
  return `delete element ${ours} ${name} { ${elements.map(elementText(key)).join(', ')} }`;
}

/** Renders all tables for people and golden files: names and elements are sorted, and `nft -f` can load the text. */
export function renderRuleset(ruleset: Ruleset): string {
  return tableFamilies
    .flatMap((family) => {
      const table = ruleset[family];
      return table ? [renderTable(family, table)] : [];
    })
    .join('\n');
}

function renderTable(family: TableFamily, { sets, maps, chains }: Table): string {
  const objects = [
    ...byName(maps).map((map) => paragraph('map', map.name, mapBody(map))),
    ...byName(sets).map((set) => paragraph('set', set.name, setBody(set))),
    ...byName(chains).map((chain) => paragraph('chain', chain.name, chainBody(chain))),
  ];
  return `table ${nameOfTable(family)} {\n${objects.join('\n')}}\n`;
}

function nameOfTable(family: TableFamily): string {
  return `${family} ${tableName}`;
}

/** A rule in nft syntax. */
export function renderRule(rule: NftRule): string {
  const parts = rule.matches.map(renderMatch);
  const verdict = renderVerdict(rule.verdict);
  const counter = rule.counter ? ['counter'] : [];
  parts.push(...(rule.verdict.kind === 'record' ? [verdict, ...counter] : [...counter, verdict]));
  if (rule.comment !== undefined) parts.push(`comment "${rule.comment}"`);
  return parts.join(' ');
}

export function renderMatch(match: Match): string {
  switch (match.kind) {
    case 'lookup':
      return `${match.key.join(' . ')} ${match.op === '!=' ? '!= ' : ''}@${match.set}`;
    case 'compare': {
      const operator = match.op === '==' ? '' : '!= ';
      const quoted = quotedTypes.has(fieldTypes[match.field]) ? match.values.map(quote) : match.values;
      const [only, ...others] = quoted;
      const values = only !== undefined && others.length === 0 ? only : `{ ${quoted.join(', ')} }`;
      return `${match.field} ${operator}${values}`;
    }
    case 'tcp-not-syn':
      return 'tcp flags & (fin | syn | rst | ack) != syn';
    case 'sctp-not-init':
      return 'meta l4proto sctp sctp chunk init missing';
    case 'group-mac':
      return 'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00';
    case 'length':
      return `meta length ${match.op} ${match.bytes}`;
    case 'from-socket':
      return 'meta skuid != 4294967295';
    case 'limit':
      return `limit rate ${match.perSecond}/second burst ${match.burst} packets`;
    case 'foreign':
      return `foreign ${JSON.stringify(match.text)}`;
    default:
      return assertNever(match);
  }
}

/** Types whose values need quotes: a value may be a reserved word or contain special characters. */
const quotedTypes: ReadonlySet<FieldType> = new Set<FieldType>(['ifname', 'kind']);

function quote(text: string): string {
  return `"${text}"`;
}

/** Returns a function that renders an element of a set with this key. */
function elementText(key: readonly KeyType[]): (element: Element) => string {
  if (!key.includes('ifname')) return (element) => element;
  return (element) => {
    if (element === catchAll) return element;
    return element
      .split(' . ')
      .map((component, i) => (key[i] === 'ifname' ? quote(component) : component))
      .join(' . ');
  };
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
    case 'record':
      return `add @${verdict.set} { ${verdict.key.join(' . ')} counter }`;
    case 'remember':
      return `add @${verdict.set} { ${verdict.key.join(' . ')} }`;
    case 'return':
    case 'accept':
    case 'drop':
    case 'continue':
      return verdict.kind;
    default:
      return assertNever(verdict);
  }
}

/** The statements of an object, in order. `elements` are separate because `renderRuleset` prints one per line. */
interface Body {
  readonly statements: readonly string[];
  readonly elements: readonly string[];
}

function setBody(set: NftSet): Body {
  const elements = sorted(set.elements).map(elementText(set.key));
  return { statements: [`type ${renderKey(set.key)}`, ...intervalFlag(set), ...recordFlags(set)], elements };
}

function mapBody(map: VerdictMap): Body {
  const text = elementText(map.key);
  const elements = [...map.elements]
    .sort(([a], [b]) => compareText(a, b))
    .map(([element, verdict]) => `${text(element)} : ${renderVerdict(verdict)}`);
  return { statements: [`type ${renderKey(map.key)} : verdict`, ...intervalFlag(map)], elements };
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

function recordFlags({ records }: NftSet): string[] {
  return records ? [`size ${records.size}`, 'flags dynamic,timeout', `timeout ${records.seconds}s`] : [];
}

function inBlock(kind: 'set' | 'map' | 'chain', name: string, body: Body): { readonly addition: Addition } {
  const elements = body.elements.length === 0 ? [] : [`elements = { ${body.elements.join(', ')} }`];
  const statements = [...body.statements, ...elements].map((statement) => `${statement}; `);
  return { addition: { names: [name], text: `${kind} ${name} { ${statements.join('')}}` } };
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
