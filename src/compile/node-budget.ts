import { bitLength } from '../lib/bit-length.ts';
import type { Policy } from '../model/policy.ts';
import type { ShapeLimits } from './class-shape.ts';
import type { ClassRule, ClassSpec } from './class-spec.ts';
import { bucketsOf, groupsOfClass, type Groups } from './resolve.ts';

/** How the classes of a node share what all of them together may write out. */
export interface NodeBudget {
  /** Peers times ports that each class may write out; as many as it likes where all of them together fit. */
  readonly share: number;
  /** By how many elements they are more than a node may hold all the same. */
  readonly excess: number;
}

/**
 * Peers times ports are written out for one class alone. Where all classes of a node together would write out too much, those with more
 * than their share keep groups apart: such sets are there once, and a packet meets all groups of its port.
 * Counted roughly, in pods: it decides between two ways to say the same.
 */
export function budgetOf(specs: readonly ClassSpec[], groups: Groups, limits: ShapeLimits): NodeBudget {
  const sizes = specs.map((spec) => sizeOf(spec, groups));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  // A power of two, so that a class more or less seldom moves the others.
  const share = total <= limits.node ? Infinity : limits.node / 2 ** bitLength(specs.length);
  const apart = new Set(specs.filter((_, index) => sizes[index]! > share).flatMap(groupsOfPeers));
  let elements = 0;
  for (const id of apart) elements += membersOf(id, groups);
  // Numbers that names stand for are each class's own.
  for (const { direction, rules } of specs) elements += direction === 'egress' ? namedIn(rules, groups) : 0;
  return { share, excess: Math.max(0, elements - limits.node) };
}

const known = new WeakMap<ClassSpec, { readonly of: readonly unknown[]; readonly size: number }>();

/** Peers times ports. */
export function sizeOf(spec: ClassSpec, groups: Groups): number {
  const of = groupsOfClass(spec).map((id) => groups.get(id));
  const before = known.get(spec);
  if (before && of.every((group, index) => group === before.of[index])) return before.size;
  let size = 0;
  for (const { ports, groups: ids, ranges } of bucketsOf(spec)) {
    let peers = ranges.length;
    for (const id of ids) peers += membersOf(id, groups);
    size += peers * (ports === 'any' ? 1 : ports.length);
  }
  known.set(spec, { of, size });
  return size;
}

/** What a policy needs at least, and with `classes` of them at most. */
export function needOf({ rules }: Policy, groups: Groups, classes: number): number {
  const peers = [...rules.ingress, ...rules.egress].flatMap((rule) => rule.peers);
  const ids = new Set(peers.flatMap((peer) => (peer.kind === 'pods' ? peer.group : [])));
  let need = namedIn(rules.egress, groups) * classes;
  for (const id of ids) need += membersOf(id, groups);
  return need;
}

function groupsOfPeers({ rules }: ClassSpec): string[] {
  return rules.flatMap((rule) => rule.peers.flatMap((peer) => (peer.kind === 'pods' ? peer.group : [])));
}

/** Pods that declare the names in rules, as far as they can be peers of these. */
function namedIn(rules: readonly ClassRule[], groups: Groups): number {
  let count = 0;
  for (const { peers, ports } of rules) {
    const most = peers.reduce(
      (sum, peer) => sum + (peer.kind === 'pods' ? membersOf(peer.group, groups) : Infinity),
      0,
    );
    for (const port of ports) {
      if ('kind' in port && port.kind === 'named') count += Math.min(most, membersOf(port.declarers, groups));
    }
  }
  return count;
}

function membersOf(id: string, groups: Groups): number {
  return groups.get(id)?.members.size ?? 0;
}
