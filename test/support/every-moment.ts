import assert from 'node:assert/strict';
import { applyOperations } from './nft/edit.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset, Table, TableFamily } from '../../src/nftables/ruleset.ts';
import type { FlowMemory } from '../../src/nftables/flight.ts';
import { trace, traceInFlight, type Trace } from '../../src/nftables/trace.ts';
import { firstEdition } from '../../src/plan/editions.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { emptyTable } from './routed.ts';

/** The tables before the plan, and after each of its stages. */
export function generationsOf(before: Ruleset, plan: Plan): Ruleset[] {
  const generations = [before];
  for (const stage of plan.stages) generations.push(applyOperations(generations.at(-1)!, stage.operations));
  return generations;
}

interface Moments {
  readonly graced?: ReadonlySet<number>;
  readonly flushed?: readonly ReadonlySet<string>[];
  readonly memory?: FlowMemory;
  /** The change begins from what an interrupted one has left: no packet may pass without right, but packets may be lost. */
  readonly mayLose?: boolean;
}

/** The indexes of the generations that the kernel begins only after all older packets are done (K27). */
export function gracedIn(plan: Plan): ReadonlySet<number> {
  return new Set(
    plan.stages.entries().flatMap(([index, { afterGracePeriod }]) => (afterGracePeriod ? [index + 1] : [])),
  );
}

/**
 * Traces the packet through every moment of a change (S7.3). Returns whether the change affects this packet. The packet must pass one
 * check only, because the rule holds for each check separately. Without `graced`, the packet meets one transaction. With it, the packet also meets two in a
 * row, unless the second one makes a generation of `graced`. `memory`: what packets have added to flow sets; this packet adds itself. `flushed`: what
 * `flushedIn` gives.
 */
export function checkPacket(
  packet: Packet,
  generations: readonly Table[],
  { graced, flushed = [], memory = new Map(), mayLose = false }: Moments = {},
): boolean {
  const old = trace(generations[0]!, packet).verdict;
  const now = trace(generations.at(-1)!, packet).verdict;
  if (old !== now) return true;
  const canBeLost = now === 'accept' && (mayLose || isTransient(packet, generations));
  let reads = 0;
  const assertAlike = (stage: number, during: (read: number) => number, moment: () => string): void => {
    if (memory.size > 0 && now === 'drop') assertFor(false, stage, during, moment);
    assertFor(true, stage, during, moment);
  };
  const assertFor = (
    missesFlows: boolean,
    stage: number,
    during: (read: number) => number,
    moment: () => string,
  ): void => {
    reads = 0;
    const generationAt = (read: number): number => {
      reads = read + 1;
      return during(read);
    };
    const { verdict } = traceInFlight(
      { generations, generationAt, memory, missesFlows, flushed: [new Set(), ...flushed] },
      packet,
    );
    const told = (): string => `${JSON.stringify(packet)} in stage ${stage} of ${generations.length - 1}, ${moment()}`;
    if (verdict !== now && !canBeLost) assert.fail(`${now} before and after, but ${verdict} during: ${told()}`);
  };
  assertAlike(
    0,
    () => 0,
    () => 'before it',
  );
  for (let stage = 1; stage < generations.length; stage++) {
    // From the last read on, the packet does not meet the change.
    for (let at = 0; at === 0 || at < reads; at++) {
      assertAlike(
        stage,
        (read) => (read < at ? stage - 1 : stage),
        () => `committed before read ${at}`,
      );
    }
    if (stage < 2 || !graced || graced.has(stage)) continue;
    for (let first = 1; first === 1 || first < reads; first++) {
      for (let second = first; second === first || second < reads; second++) {
        const during = (read: number): number => (read < first ? stage - 2 : read < second ? stage - 1 : stage);
        assertFor(true, stage, during, () => `the one before committed before read ${first}, it before read ${second}`);
      }
    }
  }
  return false;
}

/** Whether an end of the packet comes or goes, while what ClusterNetworkPolicies allow after NetworkPolicies changes too (S7.3). */
function isTransient(packet: Packet, generations: readonly Table[]): boolean {
  const [first, last] = [generations[0]!, generations.at(-1)!];
  const ends = [packet, packet.connection].flatMap((each) => (each ? [each.source, each.destination] : []));
  const isMoving = first.maps.values().some(({ name, elements }) => {
    const now = last.maps.get(name)?.elements;
    return now && ends.some((end) => elements.has(end) !== now.has(end));
  });
  return isMoving && allowedAgain(first) !== allowedAgain(last);
}

function allowedAgain({ sets }: Table): string {
  const judging = sets.values().filter(({ name }) => name.startsWith('allowed-'));
  const texts = judging.map(({ name, elements }) => [firstEdition(name), ...[...elements].sort()].join());
  return [...texts].sort().join('\n');
}

/** Names of the sets of one table that each stage empties. */
export function flushedIn(plan: Plan, family: TableFamily): ReadonlySet<string>[] {
  return plan.stages.map(({ operations }) => {
    const flushes = operations.filter((each) => each.verb === 'flush set' && each.family === family);
    return new Set(flushes.map((each) => ('name' in each ? each.name : '')));
  });
}

/** How many transactions a packet in flight may meet. */
const mostCommits = 2;

/**
 * One table over several changes, and what packets have added to its flow sets meanwhile. `check` asserts that flow sets decide as the rules do, once a
 * change is in force. Before that, they may also pass what a check passed before the change: `checkPacket` judges that.
 */
export class FlowHistory {
  readonly #family: TableFamily;
  readonly #generations: Table[] = [];
  readonly #graced = new Set<number>();
  readonly #flushed: ReadonlySet<string>[] = [];
  readonly #memory: FlowMemory = new Map();

  constructor(family: TableFamily) {
    this.#family = family;
  }

  /**
   * Sends the packets before, during and after each stage of the plan. Returns how many packets flow sets have accepted.
   * @param generations what `generationsOf` gives
   * @param isWhole whether the change is in force after these stages
   */
  check(packets: readonly Packet[], generations: readonly Ruleset[], plan: Plan, isWhole = true): number {
    const tables = generations.map((each) => each[this.#family] ?? emptyTable);
    const start = this.#start(tables[0]!);
    this.#generations.push(...tables.slice(1));
    this.#flushed.push(...flushedIn(plan, this.#family));
    for (const index of gracedIn(plan)) this.#graced.add(start + index);
    const inForce = isWhole ? start + plan.stages.findLastIndex(({ name }) => name !== 'delete') + 1 : Infinity;
    const end = this.#generations.length - 1;
    let hits = 0;
    for (let stage = start; stage <= end; stage++) {
      if (stage > start) this.#sendInFlight(packets, stage);
      for (let turn = 0; turn < 2; turn++) {
        for (const packet of packets) {
          if (stage >= inForce) hits += this.#assertAlike(packet, stage);
          else this.#send(packet, () => stage);
        }
      }
    }
    return hits;
  }

  /** The index of the table before a plan. A table that another program has changed is a generation of its own. */
  #start(table: Table): number {
    if (this.#generations.at(-1) !== table) {
      this.#generations.push(table);
      this.#flushed.push(new Set());
    }
    return this.#generations.length - 1;
  }

  #sendInFlight(packets: readonly Packet[], stage: number): void {
    for (let before = stage - 1; before >= Math.max(0, stage - mostCommits); before--) {
      for (const packet of packets) {
        let reads = 2;
        for (let at = 1; at < reads; at++) {
          const generationAt = (read: number): number => {
            reads = Math.max(reads, read + 1);
            return read < at ? before : stage;
          };
          this.#send(packet, generationAt, true);
        }
      }
      // What began before this generation is done before a stage that waits.
      if (this.#graced.values().some((graced) => graced > before && graced <= stage)) return;
    }
  }

  #assertAlike(packet: Packet, stage: number): number {
    const { verdict, path } = this.#send(packet, () => stage);
    const told = `${JSON.stringify(packet)} in generation ${stage}`;
    assert.equal(verdict, trace(this.#generations[stage]!, packet).verdict, `a flow set decides otherwise: ${told}`);
    const last = path.at(-1);
    return last && isFlowRule(this.#generations[stage]!, last.chain, last.rule) ? 1 : 0;
  }

  #send(packet: Packet, generationAt: (read: number) => number, missesFlows = false): Trace {
    const [generations, memory, flushed] = [this.#generations, this.#memory, this.#flushed];
    return traceInFlight({ generations, generationAt, memory, missesFlows, flushed }, packet);
  }
}

function isFlowRule({ chains, sets }: Table, chain: string, rule: number): boolean {
  return chains
    .get(chain)!
    .rules[rule]!.matches.some((match) => match.kind === 'lookup' && sets.get(match.set)?.records);
}
