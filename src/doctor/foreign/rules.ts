import { isJsonObject, listAt, numberAt, textAt, type JsonObject } from '../../lib/json.ts';

/** The parts of other programs' tables that can affect packets of pods. */
export interface ForeignRules {
  readonly chains: ReadonlyMap<string, ForeignChain>;
  /** Base chains that forwarded packets pass, in the order of their hooks and priorities. */
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
  /** The base chain's policy is drop. */
  readonly drops: boolean;
  /** For the netdev family. */
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
 * Reads the objects of `nft -j list …`, of one or several tables. Skips malformed objects and keeps unknown statements unchanged.
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

/** As an nft statement, or as a target of iptables-nft. */
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

/** nft prints one device as a string and several as a list. */
function devicesOf(object: unknown): string[] {
  const one = textAt(object, 'dev');
  const all = one === undefined ? listAt(object, 'dev') : [one];
  return all.filter((each) => typeof each === 'string');
}
