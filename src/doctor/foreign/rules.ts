import { isJsonObject, listAt, numberAt, textAt, type JsonObject } from '../../lib/json.ts';

/** What tables of other programs hold, as far as it can touch the packets of pods. */
export interface ForeignRules {
  readonly chains: ReadonlyMap<string, ForeignChain>;
  /** Those that forwarded packets meet, in the order in which they do. */
  readonly bases: readonly BaseChain[];
  readonly flowTables: readonly FlowTable[];
  /** Tables with a rule that sets a mark, as `tableKey` names them. */
  readonly marking: ReadonlySet<string>;
}

export interface ForeignChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly base?: ForeignBase;
  readonly rules: readonly ForeignRule[];
}

export interface BaseChain extends ForeignChain {
  readonly base: ForeignBase;
}

export interface ForeignBase {
  readonly hook: string;
  readonly priority: number;
  /** What happens to a packet that comes to its end. */
  readonly drops: boolean;
  /** Of the netdev family. */
  readonly devices: readonly string[];
}

export interface ForeignRule {
  readonly handle: number | undefined;
  readonly statements: readonly JsonObject[];
}

export interface FlowTable {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly devices: readonly string[];
}

export function tableKey(family: string, table: string): string {
  return JSON.stringify([family, table]);
}

export function chainKey(family: string, table: string, name: string): string {
  return JSON.stringify([family, table, name]);
}

/**
 * Reads the objects of `nft -j list …`, of one table or of several. Anything may be in them: what is not of the form that it should be is left
 * out, and a statement that nobody here knows stays as it is.
 */
export function readForeignRules(objects: readonly unknown[]): ForeignRules {
  const chains = new Map<string, ForeignChain & { rules: ForeignRule[] }>();
  const flowTables: FlowTable[] = [];
  const marking = new Set<string>();
  for (const object of objects) {
    const chain = isJsonObject(object) ? object['chain'] : undefined;
    const [family, table, name] = namesOf(chain, 'name');
    if (name !== undefined)
      chains.set(chainKey(family, table, name), { family, table, name, ...baseOf(chain), rules: [] });
    const flowTable = isJsonObject(object) ? object['flowtable'] : undefined;
    const [flowFamily, flowOwner, flowName] = namesOf(flowTable, 'name');
    if (flowName === undefined) continue;
    flowTables.push({ family: flowFamily, table: flowOwner, name: flowName, devices: devicesOf(flowTable) });
  }
  for (const object of objects) {
    const rule = isJsonObject(object) ? object['rule'] : undefined;
    const [family, table, name] = namesOf(rule, 'chain');
    if (name === undefined) continue;
    const statements = listAt(rule, 'expr').filter(isJsonObject);
    chains.get(chainKey(family, table, name))?.rules.push({ handle: numberAt(rule, 'handle'), statements });
    if (statements.some(setsMark)) marking.add(tableKey(family, table));
  }
  return { chains, bases: sortBases(chains.values()), flowTables, marking };
}

const hookOrder = ['ingress', 'prerouting', 'forward', 'postrouting'];

function sortBases(chains: Iterable<ForeignChain>): BaseChain[] {
  const rank = ({ base }: BaseChain): number => hookOrder.indexOf(base.hook);
  return Array.from(chains)
    .filter((chain): chain is BaseChain => chain.base !== undefined && hookOrder.includes(chain.base.hook))
    .sort((a, b) => rank(a) - rank(b) || a.base.priority - b.base.priority);
}

/** In words of nft, or by an extension of iptables. */
function setsMark(statement: JsonObject): boolean {
  const extension = textAt(statement, 'xt', 'name') ?? '';
  return textAt(statement, 'mangle', 'key', 'meta', 'key') === 'mark' || /^(CONN)?MARK$/.test(extension);
}

function namesOf(object: unknown, key: string): [family: string, table: string, name: string | undefined] {
  return [textAt(object, 'family') ?? '', textAt(object, 'table') ?? '', textAt(object, key)];
}

function baseOf(chain: unknown): { base?: ForeignBase } {
  const hook = textAt(chain, 'hook');
  if (hook === undefined) return {};
  const [priority, drops] = [numberAt(chain, 'prio') ?? 0, textAt(chain, 'policy') === 'drop'];
  return { base: { hook, priority, drops, devices: devicesOf(chain) } };
}

/** One device is a text, several are a list. */
function devicesOf(object: unknown): string[] {
  const one = textAt(object, 'dev');
  const all = one === undefined ? listAt(object, 'dev') : [one];
  return all.filter((each) => typeof each === 'string');
}
