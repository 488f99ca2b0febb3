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

/**
 * Traces the packet through every moment of a change (S7.3). Returns whether the change affects this packet. The packet must pass one
 * check only, because the rule holds for each check separately. `memory`: what packets have added to flow sets; this packet adds itself.
 */
export function checkPacket(packet: Packet, generations: readonly Table[], memory: FlowMemory = new Map()): boolean {
  const old = trace(generations[0]!, packet).verdict;
  const now = trace(generations.at(-1)!, packet).verdict;
  if (old !== now) return true;
  traceInFlight({ generations, generationAt: () => 0, memory }, packet);
  for (let stage = 1; stage < generations.length; stage++) {
    for (let at = 0; at < 20; at++) {
      const generationAt = (read: number): number => (read < at ? stage - 1 : stage);
      const during = traceInFlight({ generations, generationAt, memory }, packet).verdict;
      const told = `${JSON.stringify(packet)} in stage ${stage} of ${generations.length - 1}, committed before read ${at}`;
      assert.equal(during, now, `${now} before and after, but not during: ${told}`);
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
