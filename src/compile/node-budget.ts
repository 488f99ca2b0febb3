import { bitLength } from '../lib/bit-length.ts';
import type { Policy } from '../model/policy.ts';
import type { ShapeLimits } from './class-shape.ts';
import type { ClassRule, ClassSpec } from './class-spec.ts';
import { bucketsOf, type Groups } from './resolve.ts';

/** How the classes of a node share what all of them together may write out. */
export interface NodeBudget {
  /** Peers times ports that each class may write out; as many as it likes where all of them together fit. */
  readonly share: number;
  /** By how many elements they are more than a node may hold all the same. */
  readonly excess: number;
}

/** What a class would write out. Counted roughly, in pods: it decides between two ways to say the same. */
export interface ClassSize {
  readonly spec: ClassSpec;
  /** Peers times ports. */
  readonly product: number;
  /** Numbers that names stand for: each class's own. */
  readonly named: number;
}

export function sizeOf(spec: ClassSpec, groups: Groups): ClassSize {
  let product = 0;
  for (const { ports, groups: ids, ranges } of bucketsOf(spec)) {
    let peers = ranges.length;
    for (const id of ids) peers += membersOf(id, groups);
    product += peers * (ports === 'any' ? 1 : ports.length);
  }
  return { spec, product, named: spec.direction === 'egress' ? namedIn(spec.rules, groups) : 0 };
}

/**
 * Peers times ports are written out for one class alone. Where all classes of a node together would write out too much, those with more
 * than their share keep groups apart: such sets are there once, and a packet meets all groups of its port.
 */
export function budgetOf(sizes: readonly ClassSize[], groups: Groups, limits: ShapeLimits): NodeBudget {
  const total = sizes.reduce((sum, { product }) => sum + product, 0);
  // A power of two, so that a class more or less seldom moves the others.
  const share = total <= limits.node ? Infinity : limits.node / 2 ** bitLength(sizes.length);
  const apart = new Set(sizes.filter(({ product }) => product > share).flatMap(({ spec }) => groupsOfPeers(spec)));
  let elements = 0;
  for (const id of apart) elements += membersOf(id, groups);
  for (const { named } of sizes) elements += named;
  return { share, excess: Math.max(0, elements - limits.node) };
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
