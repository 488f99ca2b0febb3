import { isJsonObject, listAt, objectAt, textAt, type JsonObject } from '../../lib/json.ts';
import { judgeEqual, judgeMatch, readKey, type Sample } from './condition.ts';
import { chainKey, tableKey, type BaseChain, type ForeignChain, type ForeignRules } from './rules.ts';
import { actionOf, harmless, xtTargets, type RuleAction } from './statements.ts';

/** What a rule of another program does to a packet as described. */
export interface Effect {
  readonly deed: RuleAction;
  /** Where not, it hangs on what is not described, or not understood here. */
  readonly isCertain: boolean;
  readonly chain: ForeignChain;
  /** Of the rule; `undefined`: it is what its base chain does with packets that come to its end. */
  readonly handle: number | undefined;
  /** As nft calls it: `masquerade`, `reject`. */
  readonly statement: string;
}

/** How many rules may still be looked at: nobody else's rule set may take our time. */
export interface Budget {
  rules: number;
}

/** A packet that is forwarded, with the ports where it crosses a bridge. */
export interface PacketPath extends Sample {
  readonly inPort?: string | undefined;
  readonly outPort?: string | undefined;
}

/** The jumps that a packet may be deep in (NFT_JUMP_STACK_SIZE). */
const maximumJumps = 16;

/** Follows a packet through all base chains of others that it meets, in their order. Ends early where it is surely dropped, or the budget is spent. */
export function walkForeign(rules: ForeignRules, journey: PacketPath, budget: Budget): Effect[] {
  const walker = new Walker(rules, journey, budget);
  // They are looked at, each of them, for every packet.
  budget.rules -= rules.bases.length;
  const met = rules.bases.filter((chain) => meets(chain, journey));
  for (const group of Map.groupBy(met, ({ base }) => `${base.hook} ${base.priority}`).values()) {
    // Of equal priorities nobody knows which comes first.
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

/** What may become of a packet at a rule: it goes on to the next, leaves the chain by its end, or ends its way through the base chain. */
type Outcome = 'next' | 'out' | 'gone';

class Walker {
  readonly effects: Effect[] = [];
  readonly #rules: ForeignRules;
  readonly #budget: Budget;
  #journey: PacketPath;
  #isRouted = false;
  #isDropped = false;

  constructor(rules: ForeignRules, journey: PacketPath, budget: Budget) {
    this.#rules = rules;
    this.#journey = journey;
    this.#budget = budget;
  }

  /** Somebody may have set one. */
  forgetMark(): void {
    this.#journey = { ...this.#journey, mark: undefined };
  }

  /** False: nothing is left of the packet. */
  enter(chain: BaseChain): boolean {
    this.#isRouted = ['forward', 'postrouting'].includes(chain.base.hook);
    const fates = this.#walk(chain, true, 0);
    const falls = fates.has('out');
    if (chain.base.drops && falls) this.#add('drop', fates.size === 1, { chain, handle: undefined }, 'policy drop');
    return !this.#isDropped && this.#budget.rules > 0;
  }

  /** Of a whole chain: out, or gone. @param isSure that the packet comes here */
  #walk(chain: ForeignChain, isSure: boolean, depth: number): Set<Outcome> {
    const fates = new Set<Outcome>();
    if (depth > maximumJumps) return new Set(['out', 'gone']);
    for (const { handle, statements } of chain.rules) {
      if (this.#budget.rules-- <= 0) return new Set(['out', 'gone']);
      const here = this.#meet(statements, { chain, handle }, isSure && fates.size === 0, depth);
      const goesOn = here.delete('next');
      for (const fate of here) fates.add(fate);
      if (!goesOn) return fates;
    }
    return fates.add('out');
  }

  #meet(statements: readonly JsonObject[], at: Place, isSure: boolean, depth: number): Set<Outcome> {
    if (isForKnownConnections(statements)) return new Set(['next']);
    const fates = new Set<Outcome>();
    let sure = isSure;
    const mayEndAs = (fate: Outcome): void => {
      fates.add(fate);
      sure = false;
    };
    for (const statement of statements) {
      const [name = '', value] = Object.entries(statement)[0] ?? [];
      if (name === 'match') {
        const answer = judgeMatch(value, this.#sampleFor(at.chain));
        if (answer !== 'yes') mayEndAs('next');
        if (answer === 'no') return fates;
      } else if (name === 'vmap') {
        return union(fates, this.#look(value, at, sure, depth));
      } else if (isVerdict(name)) {
        return union(fates, this.#follow(name, value, at, sure, depth), (fate) => {
          // Behind a jump that a packet came back from, the rule goes on; nothing ever follows it there.
          return fate === 'out' && name === 'jump' ? 'next' : fate;
        });
      } else if (name === 'mangle') {
        this.#mangle(value, sure);
      } else if (!harmless.has(name)) {
        const known = name === 'xt' ? xtTargets[textAt(value, 'name') ?? ''] : actionOf[name];
        if (known === undefined) {
          // Something that compares, or limits, or ends the rule: it may be either.
          mayEndAs('next');
          if (name === 'xt' && textAt(value, 'type') !== 'match') mayEndAs('gone');
        } else if (known !== 'nothing') {
          if (known.deed === 'mark') this.forgetMark();
          else this.#add(known.deed, sure && known.isCertain !== false, at, textAt(value, 'name') ?? name);
          if (known.ends) return fates.add('gone');
        }
      }
    }
    return fates.add('next');
  }

  /** What the verdict does: `out` of a jump is that the packet comes back. */
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

  /** A verdict map: the first element that fits, or any that may; else the rule ends. */
  #look(vmap: unknown, at: Place, isSure: boolean, depth: number): Set<Outcome> {
    const key = readKey(objectAt(vmap)['key'], this.#sampleFor(at.chain));
    const data = objectAt(vmap)['data'];
    // Of a named one the elements are not read.
    if (!isJsonObject(data)) return new Set(['next', 'out', 'gone']);
    const fates = new Set<Outcome>();
    for (const element of listAt(data, 'set')) {
      const [wanted, verdict] = Array.isArray(element) ? element : [];
      const answer = key === undefined ? 'maybe' : judgeEqual(key.is, wanted);
      if (answer === 'no' || !isJsonObject(verdict)) continue;
      const [name = '', value] = Object.entries(verdict)[0] ?? [];
      const sure = isSure && answer === 'yes' && fates.size === 0;
      union(fates, this.#follow(name, value, at, sure, depth), (fate) => {
        return fate === 'out' && name === 'jump' ? 'next' : fate;
      });
      if (answer === 'yes') return fates;
    }
    return fates.add('next');
  }

  #mangle(mangle: unknown, isSure: boolean): void {
    if (textAt(mangle, 'key', 'meta', 'key') !== 'mark') return;
    const { value } = objectAt(mangle);
    this.#journey = { ...this.#journey, mark: isSure && typeof value === 'number' ? value : undefined };
  }

  /** In the bridge family devices are ports. Before it is routed, the kernel reads an empty name for the device by which a packet goes. */
  #sampleFor({ family }: ForeignChain): Sample {
    const { inPort, outPort, inDevice, outDevice } = this.#journey;
    const [from, to] = family === 'bridge' ? [inPort, outPort] : [inDevice, outDevice];
    return { ...this.#journey, inDevice: from, outDevice: this.#isRouted ? to : '' };
  }

  #add(deed: RuleAction, isCertain: boolean, { chain, handle }: Place, statement: string): void {
    this.effects.push({ deed, isCertain, chain, handle, statement });
    if (deed === 'drop' && isCertain) this.#isDropped = true;
  }
}

interface Place {
  readonly chain: ForeignChain;
  readonly handle: number | undefined;
}

/**
 * Of iptables-nft's conntrack a listing has the name alone. Where nothing else is compared, an accept or a drop is for packets of connections that
 * stand, or for invalid ones: for new ones it would be for all.
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
  turn: (fate: Outcome) => Outcome = (fate) => fate,
): Set<Outcome> {
  for (const fate of from) into.add(turn(fate));
  return into;
}
