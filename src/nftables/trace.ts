import { assertNever, invariant } from '../lib/assert.ts';
import { recallComponent } from './component.ts';
import { findElement } from './element-index.ts';
import { fieldTypes, isNamedType } from './field.ts';
import { type Flight, type Place, Reader } from './flight.ts';
import type { Packet } from './packet.ts';
import { readField } from './packet.ts';
import type { Chain, Element, ElementVerdict, Field, Hook, Match, Table, Turn, Verdict } from './ruleset.ts';
import { catchAll } from './ruleset.ts';

/** A rule that gave a verdict. */
export interface Step {
  readonly chain: string;
  /** Index of the rule in the chain, from 0. */
  readonly rule: number;
  /** The element of a verdict map that decided. */
  readonly element?: Element;
  readonly verdict: Turn | { readonly kind: 'reject-tcp-reset' };
}

export interface Trace {
  readonly verdict: 'accept' | 'drop' | 'reset';
  readonly path: readonly Step[];
}

/** Evaluates the base chains of one table at the packet's hook, by priority, until one does not accept. */
export function trace(table: Table, packet: Packet): Trace {
  return traceInFlight({ generations: [table], generationAt: () => 0 }, packet);
}

/** Like `trace`, for a table that changes meanwhile. */
export function traceInFlight(flight: Flight, packet: Packet): Trace {
  const path: Step[] = [];
  const reader = new Reader(flight);
  for (const base of baseChains(reader.startTable, packet.hook)) {
    const verdict = walk(reader, packet, base, path);
    if (verdict !== 'accept') return { verdict, path };
  }
  return { verdict: 'accept', path };
}

/** Maximum depth of jumps (NFT_JUMP_STACK_SIZE). */
const maximumJumps = 16;

function walk(reader: Reader, packet: Packet, base: Chain, path: Step[]): Trace['verdict'] {
  const callers: Place[] = [];
  let place = reader.enter(base.name);
  for (;;) {
    const step = nextStep(reader, packet, place);
    if (step) path.push(step);
    invariant(path.length < 10_000, `the chains under ${base.name} form a loop`);
    const verdict = step ? step.verdict : ({ kind: 'return' } as const);
    switch (verdict.kind) {
      case 'accept':
      case 'drop':
        return verdict.kind;
      case 'reject-tcp-reset':
        return 'reset';
      case 'jump':
        invariant(callers.length < maximumJumps, `the jumps under ${base.name} are too deep`);
        callers.push(place);
        place = reader.enter(verdict.chain);
        break;
      case 'goto':
        place = reader.enter(verdict.chain);
        break;
      case 'return': {
        const caller = callers.pop();
        if (!caller) return 'accept';
        place = caller;
        break;
      }
      default:
        return assertNever(verdict);
    }
  }
}

/** Advances to the next rule with a verdict; returns `undefined` at the end of the chain. */
function nextStep(reader: Reader, packet: Packet, place: Place): Step | undefined {
  while (place.next < place.rules.length) {
    const index = place.next++;
    const { matches, verdict } = place.rules[index]!;
    if (!matches.every((match) => isMatch(reader, packet, place, match))) continue;
    if (verdict.kind === 'remember') reader.remember(verdict.set, place, readKey(packet, verdict.key));
    if (verdict.kind === 'record' || verdict.kind === 'remember' || verdict.kind === 'continue') continue;
    if (verdict.kind === 'vmap') {
      const found = lookUpVerdict(reader, packet, place, verdict);
      if (found && found.verdict.kind !== 'continue') {
        return { chain: place.chain, rule: index, element: found.element, verdict: found.verdict };
      }
    } else if (verdict.kind !== 'reject-tcp-reset' || isProtocol(packet, 'tcp')) {
      return { chain: place.chain, rule: index, verdict };
    }
  }
  return undefined;
}

function isMatch(reader: Reader, packet: Packet, place: Place, match: Match): boolean {
  switch (match.kind) {
    case 'lookup':
      return isLookedUp(reader, packet, place, match);
    case 'compare': {
      const text = readField(packet, match.field);
      if (text === undefined) return false;
      return match.values.some((value) => isWithin(match.field, value, text)) === (match.op === '==');
    }
    case 'tcp-not-syn':
      return isProtocol(packet, 'tcp') && packet.tcpSyn === false;
    case 'sctp-not-init':
      return isProtocol(packet, 'sctp') && packet.sctpInit === false;
    case 'group-mac':
      return packet.toGroup === true;
    case 'length':
      return (packet.length ?? 0) > match.bytes === (match.op === '>');
    case 'from-socket':
      return packet.fromSocket === true;
    case 'limit':
      // Packets over the limit get the same verdict; they are only not recorded.
      return true;
    case 'foreign':
      // The effect of a foreign match is unknown. The drift check reports and removes it.
      return false;
    default:
      return assertNever(match);
  }
}

function isLookedUp(
  reader: Reader,
  packet: Packet,
  place: Place,
  { op, key, set }: Match & { kind: 'lookup' },
): boolean {
  const object = reader.set(set, place);
  const texts = readKey(packet, key);
  if (!texts) return false;
  const isHit = findElement(object, texts) !== undefined || reader.isRemembered(object, texts);
  return op === undefined ? isHit : !isHit;
}

function lookUpVerdict(
  reader: Reader,
  packet: Packet,
  place: Place,
  { key, map: name }: Verdict & { kind: 'vmap' },
): { element: Element; verdict: ElementVerdict } | undefined {
  const texts = readKey(packet, key);
  if (!texts) return undefined;
  const map = reader.map(name, place);
  const element = findElement(map, texts);
  if (element !== undefined) return { element, verdict: map.elements.get(element)! };
  const verdict = reader.map(name, place).elements.get(catchAll);
  return verdict && { element: catchAll, verdict };
}

/** The key of a lookup; `undefined` if the packet does not have a field. Then the rule does not match. */
function readKey(packet: Packet, fields: readonly Field[]): string[] | undefined {
  const texts = fields.map((field) => readField(packet, field));
  return texts.every((text) => text !== undefined) ? texts : undefined;
}

function isWithin(field: Field, value: string, text: string): boolean {
  if (value === text) return true;
  const type = fieldTypes[field];
  if (isNamedType(type) || type === 'kind') return false;
  const interval = recallComponent(type === 'number' ? 'inet_proto' : type, value);
  const point = recallComponent(type === 'number' ? 'inet_proto' : type, text);
  return interval !== undefined && point !== undefined && interval.first <= point.first && point.first <= interval.last;
}

function isProtocol(packet: Packet, protocol: 'tcp' | 'sctp'): boolean {
  return readField(packet, 'meta l4proto') === protocol;
}

/** All base chains of a table by priority. Tables are immutable, so the cache stays valid. */
const baseChainsOf = new WeakMap<Table, readonly Chain[]>();

function baseChains(table: Table, hook: Hook): Chain[] {
  let all = baseChainsOf.get(table);
  if (!all) {
    all = [...table.chains.values()].filter((chain) => chain.base).sort((a, b) => a.base!.priority - b.base!.priority);
    baseChainsOf.set(table, all);
  }
  return all.filter((chain) => chain.base!.hook === hook);
}
