import assert from 'node:assert/strict';
import { applyOperations } from './nft/edit.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset, Table } from '../../src/nftables/ruleset.ts';
import type { FlowMemory } from '../../src/nftables/flight.ts';
import { trace, traceInFlight } from '../../src/nftables/trace.ts';
import type { Plan } from '../../src/plan/plan.ts';

/** The tables before the plan, and after each of its stages. */
export function generationsOf(before: Ruleset, plan: Plan): Ruleset[] {
  const generations = [before];
  for (const stage of plan.stages) generations.push(applyOperations(generations.at(-1)!, stage.operations));
  return generations;
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
 * row, unless the second one makes a generation of `graced`. `memory`: what packets have added to flow sets; this packet adds itself.
 */
export function checkPacket(
  packet: Packet,
  generations: readonly Table[],
  { graced, memory = new Map() }: { graced?: ReadonlySet<number>; memory?: FlowMemory } = {},
): boolean {
  const old = trace(generations[0]!, packet).verdict;
  const now = trace(generations.at(-1)!, packet).verdict;
  if (old !== now) return true;
  let reads = 0;
  const assertAlike = (stage: number, during: (read: number) => number, moment: () => string): void => {
    reads = 0;
    const generationAt = (read: number): number => {
      reads = read + 1;
      return during(read);
    };
    const { verdict } = traceInFlight({ generations, generationAt, memory }, packet);
    const told = (): string => `${JSON.stringify(packet)} in stage ${stage} of ${generations.length - 1}, ${moment()}`;
    if (verdict !== now) assert.fail(`${now} before and after, but ${verdict} during: ${told()}`);
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
        assertAlike(stage, during, () => `the one before committed before read ${first}, it before read ${second}`);
      }
    }
  }
  return false;
}

/**
 * Sends the packets before, during and after each stage of a change, and asserts that flow sets never decide otherwise than the rules. Packets in flight
 * may see two or three states of the table. Returns how many packets flow sets have accepted.
 */
export function checkFlows(packets: readonly Packet[], generations: readonly Table[]): number {
  const memory: FlowMemory = new Map();
  let hits = 0;
  const assertAlike = (stage: number): void => {
    for (const packet of packets) {
      const { verdict, path } = traceInFlight({ generations, generationAt: () => stage, memory }, packet);
      const told = `${JSON.stringify(packet)} after stage ${stage} of ${generations.length - 1}`;
      assert.equal(verdict, trace(generations[stage]!, packet).verdict, `a flow set decides otherwise: ${told}`);
      const last = path.at(-1);
      if (last && isFlowRule(generations[stage]!, last.chain, last.rule)) hits++;
    }
  };
  for (let turn = 0; turn < 2; turn++) assertAlike(0);
  for (let stage = 1; stage < generations.length; stage++) {
    for (const before of [stage - 1, stage - 2].filter((each) => each >= 0)) {
      for (let at = 1; at < 16; at += stage - before) {
        const generationAt = (read: number): number => (read < at ? before : stage);
        for (const packet of packets) traceInFlight({ generations, generationAt, memory }, packet);
      }
    }
    for (let turn = 0; turn < 2; turn++) assertAlike(stage);
  }
  return hits;
}

function isFlowRule({ chains, sets }: Table, chain: string, rule: number): boolean {
  return chains
    .get(chain)!
    .rules[rule]!.matches.some((match) => match.kind === 'lookup' && sets.get(match.set)?.records);
}
