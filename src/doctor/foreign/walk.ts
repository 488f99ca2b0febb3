import { isJsonObject, listAt, objectAt, textAt, type JsonObject } from '../../lib/json.ts';
import { judgeEqual, judgeMatch, readKey, type Sample } from './condition.ts';
import { chainKey, tableKey, type BaseChain, type ForeignChain, type ForeignRules } from './rules.ts';
import { actionOf, harmless, xtTargets, type RuleAction } from './statements.ts';

/** An effect of another program's rule on a packet. */
export interface Effect {
  readonly action: RuleAction;
  /** False if the effect depends on an unknown field or an unsupported expression. */
  readonly isCertain: boolean;
  readonly chain: ForeignChain;
  /** Handle of the rule; `undefined` for the policy of the base chain. */
  readonly handle: number | undefined;
  /** Name in nft: `masquerade`, `reject`. */
  readonly statement: string;
}

/** Remaining number of rules: it bounds the time that large rule sets take. */
export interface Budget {
  rules: number;
}

/** A forwarded packet, with the bridge ports if it crosses a bridge. */
export interface PacketPath extends Sample {
  readonly inPort?: string | undefined;
  readonly outPort?: string | undefined;
}

/** The kernel's limit of nested jumps (NFT_JUMP_STACK_SIZE). */
const maximumJumps = 16;

/** Follows a packet through all base chains in order. Stops when a rule certainly drops it or the budget is used up. */
export function walkForeign(rules: ForeignRules, packet: PacketPath, budget: Budget): Effect[] {
  const walker = new Walker(rules, packet, budget);
  // Each packet visits all base chains, also those that it does not pass.
  budget.rules -= rules.bases.length;
  const met = rules.bases.filter((chain) => meets(chain, packet));
  for (const group of Map.groupBy(met, ({ base }) => `${base.hook} ${base.priority}`).values()) {
    // The order of chains with equal priority is unknown, so each may come after a rule that sets a mark.
    const isOrdered =
      group.length === 1 || !group.some(({ family, table }) => rules.marking.has(tableKey(family, table)));
    for (const chain of group) {
      if (!isOrdered) walker.forgetMark();
      if (!walker.enter(chain)) return walker.effects;
    }
  }
  return walker.effects;
}

function meets({ family: own, base }: BaseChain, { family, inDevice, inPort, outPort }: PacketPath): boolean {
  if (base.hook === 'ingress') return base.devices.some((each) => each === (inPort ?? inDevice));
  if (own === 'bridge') return inPort !== undefined && outPort !== undefined;
  return own === 'inet' || own === (family === 'ipv4' ? 'ip' : 'ip6');
}

/** `next`: the packet continues at the next rule; `out`: it leaves the chain by its end; `gone`: it leaves the base chain. */
type Outcome = 'next' | 'out' | 'gone';

class Walker {
  readonly effects: Effect[] = [];
  readonly #rules: ForeignRules;
  readonly #budget: Budget;
  #packet: PacketPath;
  #isRouted = false;
  #isDropped = false;

  constructor(rules: ForeignRules, packet: PacketPath, budget: Budget) {
    this.#rules = rules;
    this.#packet = packet;
    this.#budget = budget;
  }

  forgetMark(): void {
    this.#packet = { ...this.#packet, mark: undefined };
  }

  /** Returns false if the packet is dropped or the budget is used up. */
  enter(chain: BaseChain): boolean {
    this.#isRouted = ['forward', 'postrouting'].includes(chain.base.hook);
    const outcomes = this.#walk(chain, true, 0);
    const falls = outcomes.has('out');
    if (chain.base.drops && falls) this.#add('drop', outcomes.size === 1, { chain, handle: undefined }, 'policy drop');
    return !this.#isDropped && this.#budget.rules > 0;
  }

  /** Outcomes of a whole chain: `out`, `gone` or both. @param isSure Whether the packet certainly enters the chain. */
  #walk(chain: ForeignChain, isSure: boolean, depth: number): Set<Outcome> {
    const outcomes = new Set<Outcome>();
    if (depth > maximumJumps) return new Set(['out', 'gone']);
    for (const { handle, statements } of chain.rules) {
      if (this.#budget.rules-- <= 0) return new Set(['out', 'gone']);
      const here = this.#meet(statements, { chain, handle }, isSure && outcomes.size === 0, depth);
      const goesOn = here.delete('next');
      for (const outcome of here) outcomes.add(outcome);
      if (!goesOn) return outcomes;
    }
    return outcomes.add('out');
  }

  #meet(statements: readonly JsonObject[], at: Place, isSure: boolean, depth: number): Set<Outcome> {
    if (isForKnownConnections(statements)) return new Set(['next']);
    const outcomes = new Set<Outcome>();
    let sure = isSure;
    const mayEndAs = (outcome: Outcome): void => {
      outcomes.add(outcome);
      sure = false;
    };
    for (const statement of statements) {
      const [name = '', value] = Object.entries(statement)[0] ?? [];
      if (name === 'match') {
        const answer = judgeMatch(value, this.#sampleFor(at.chain));
        if (answer !== 'yes') mayEndAs('next');
        if (answer === 'no') return outcomes;
      } else if (name === 'vmap') {
        return union(outcomes, this.#look(value, at, sure, depth));
      } else if (isVerdict(name)) {
        return union(outcomes, this.#follow(name, value, at, sure, depth), (outcome) => {
          // The packet returns from a jump and continues at the next rule, because nothing follows a verdict in a rule.
          return outcome === 'out' && name === 'jump' ? 'next' : outcome;
        });
      } else if (name === 'mangle') {
        this.#mangle(value, sure);
      } else if (!harmless.has(name)) {
        const known = name === 'xt' ? xtTargets[textAt(value, 'name') ?? ''] : actionOf[name];
        if (known === undefined) {
          // An unknown statement may be a match, a limit or a final verdict.
          mayEndAs('next');
          if (name === 'xt' && textAt(value, 'type') !== 'match') mayEndAs('gone');
        } else if (known !== 'nothing') {
          if (known.action === 'mark') this.forgetMark();
          else this.#add(known.action, sure && known.isCertain !== false, at, textAt(value, 'name') ?? name);
          if (known.ends) return outcomes.add('gone');
        }
      }
    }
    return outcomes.add('next');
  }

  /** Outcomes of a verdict. For a jump, `out` means that the packet returns. */
  #follow(name: string, value: unknown, at: Place, isSure: boolean, depth: number): Set<Outcome> {
    switch (name) {
      case 'accept':
        return new Set(['gone']);
      case 'drop':
        this.#add('drop', isSure, at, 'drop');
        return new Set(['gone']);
      case 'return':
        return new Set(['out']);
      case 'continue':
        return new Set(['next']);
      default: {
        const { family, table } = at.chain;
        const target = this.#rules.chains.get(chainKey(family, table, textAt(value, 'target') ?? ''));
        return target ? this.#walk(target, isSure, depth + 1) : new Set(['out', 'gone']);
      }
    }
  }

  /** Outcomes of a verdict map: of the first certain match and of possible matches before it. Without a match the rule ends. */
  #look(vmap: unknown, at: Place, isSure: boolean, depth: number): Set<Outcome> {
    const key = readKey(objectAt(vmap)['key'], this.#sampleFor(at.chain));
    const data = objectAt(vmap)['data'];
    // The elements of named maps are not listed.
    if (!isJsonObject(data)) return new Set(['next', 'out', 'gone']);
    const outcomes = new Set<Outcome>();
    for (const element of listAt(data, 'set')) {
      const [wanted, verdict] = Array.isArray(element) ? element : [];
      const answer = key === undefined ? 'maybe' : judgeEqual(key.is, wanted);
      if (answer === 'no' || !isJsonObject(verdict)) continue;
      const [name = '', value] = Object.entries(verdict)[0] ?? [];
      const sure = isSure && answer === 'yes' && outcomes.size === 0;
      union(outcomes, this.#follow(name, value, at, sure, depth), (outcome) => {
        return outcome === 'out' && name === 'jump' ? 'next' : outcome;
      });
      if (answer === 'yes') return outcomes;
    }
    return outcomes.add('next');
  }

  #mangle(mangle: unknown, isSure: boolean): void {
    if (textAt(mangle, 'key', 'meta', 'key') !== 'mark') return;
    const { value } = objectAt(mangle);
    this.#packet = { ...this.#packet, mark: isSure && typeof value === 'number' ? value : undefined };
  }

  /** In the bridge family, devices are ports. Before routing, oifname is empty. */
  #sampleFor({ family }: ForeignChain): Sample {
    const { inPort, outPort, inDevice, outDevice } = this.#packet;
    const [from, to] = family === 'bridge' ? [inPort, outPort] : [inDevice, outDevice];
    return { ...this.#packet, inDevice: from, outDevice: this.#isRouted ? to : '' };
  }

  #add(action: RuleAction, isCertain: boolean, { chain, handle }: Place, statement: string): void {
    this.effects.push({ action, isCertain, chain, handle, statement });
    if (action === 'drop' && isCertain) this.#isDropped = true;
  }
}

interface Place {
  readonly chain: ForeignChain;
  readonly handle: number | undefined;
}

/**
 * A listing shows only the name of the iptables-nft match `conntrack`, not its states. If a rule has no other match, this function
 * assumes established or invalid connections: a rule for new ones would apply to all connections.
 */
function isForKnownConnections(statements: readonly JsonObject[]): boolean {
  const names = new Set(statements.map((statement) => Object.keys(statement)[0] ?? ''));
  const extensions = statements
    .map((statement) => textAt(statement, 'xt', 'name'))
    .filter((name) => name !== undefined);
  return (
    extensions.some((name) => name === 'conntrack' || name === 'state') &&
    extensions.every((name) => ['conntrack', 'state', 'comment'].includes(name)) &&
    [...names].every((name) => ['xt', 'counter', 'accept', 'drop'].includes(name))
  );
}

const verdicts = new Set(['accept', 'drop', 'return', 'continue', 'jump', 'goto']);

function isVerdict(name: string): boolean {
  return verdicts.has(name);
}

function union(
  into: Set<Outcome>,
  from: Iterable<Outcome>,
  turn: (outcome: Outcome) => Outcome = (outcome) => outcome,
): Set<Outcome> {
  for (const outcome of from) into.add(turn(outcome));
  return into;
}
