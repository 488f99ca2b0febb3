import assert from 'node:assert/strict';
import { applyOperations } from './nft/edit.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset, Table } from '../../src/nftables/ruleset.ts';
import { trace, traceInFlight } from '../../src/nftables/trace.ts';
import type { Plan } from '../../src/plan/plan.ts';

/** The tables before the plan, and after each of its stages. */
export function generationsOf(before: Ruleset, plan: Plan): Ruleset[] {
  const generations = [before];
  for (const stage of plan.stages) generations.push(applyOperations(generations.at(-1)!, stage.operations));
  return generations;
}

/**
 * Traces the packet through every moment of a change (S7.3). Returns whether the change affects this packet. The packet must pass one
 * check only, because the rule holds for each check separately.
 */
export function checkPacket(packet: Packet, generations: readonly Table[]): boolean {
  const old = trace(generations[0]!, packet).verdict;
  const now = trace(generations.at(-1)!, packet).verdict;
  if (old !== now) return true;
  for (let stage = 1; stage < generations.length; stage++) {
    for (let at = 0; at < 20; at++) {
      const generationAt = (read: number): number => (read < at ? stage - 1 : stage);
      const during = traceInFlight({ generations, generationAt }, packet).verdict;
      const told = `${JSON.stringify(packet)} in stage ${stage} of ${generations.length - 1}, committed before read ${at}`;
      assert.equal(during, now, `${now} before and after, but not during: ${told}`);
    }
  }
  return false;
}
