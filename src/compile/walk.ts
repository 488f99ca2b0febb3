import {
  addressBits,
  holdsAddress,
  mergeRanges,
  parseAddress,
  splitRanges,
  type AddressRange,
  type Family,
} from '../model/address.ts';
import type { GroupId, Peer, Protocol } from '../model/policy.ts';
import type { AddressGroup, Member, PodKey } from '../model/snapshot.ts';
import { peersText } from './class-spec.ts';

/** What becomes of a packet. */
export type Outcome = 'allow' | 'deny';

/** One entry of an ordered list of peers. */
export interface Step {
  /** Steps of one tier are next to each other. After `pass`, the first step of another tier is next. */
  readonly level: number;
  readonly verdict: Outcome | 'pass';
  readonly peers: readonly Peer[];
  /** Only pods that declare this port number under this name. */
  readonly declares?: DeclaredNumber;
}

export interface DeclaredNumber {
  readonly name: string;
  readonly protocol: Protocol;
  /** With `not`: any number except these. */
  readonly port: number | { readonly not: readonly number[] };
  /** The group of all pods that declare the name. */
  readonly declarers: GroupId;
}

export type Groups = ReadonlyMap<GroupId, AddressGroup>;

/**
 * An ordered list of peers: the first step that matches an address decides about it, and what none matches is denied. Blocks decide the same for ever, and
 * groups by their members. So a walk has two parts: what becomes of each address that no group has (`rangesOf`), and the addresses of members for
 * which that would be wrong.
 */
export class Walk {
  readonly steps: readonly Step[];
  /** Walks with equal texts have equal outcomes. */
  readonly text: string;
  /** All groups that it names, also those of the peers of a port name: who is in them matters too. */
  readonly groups: readonly GroupId[];
  /** Groups whose members may be allowed, or denied, although no group decides so. */
  readonly candidates: Readonly<Record<'allow' | 'deny', readonly GroupId[]>>;
  /** Of each step, whether it may match an address that no group has. */
  readonly #isStatic: readonly boolean[];
  #ranges: Readonly<Record<Family, Readonly<Record<Outcome, readonly AddressRange[]>>>> | undefined;

  constructor(steps: readonly Step[]) {
    this.steps = steps;
    this.#isStatic = steps.map(({ peers, declares }) => !declares && peers.some(({ kind }) => kind !== 'pods'));
    this.text = steps.map(stepText).join(' | ');
    const groupsOf = (...verdicts: Step['verdict'][]): GroupId[] => [
      ...new Set(steps.flatMap((step) => (verdicts.includes(step.verdict) ? groupsOfStep(step) : []))),
    ];
    this.groups = [...new Set(steps.flatMap((step) => [...groupsOfPeers(step), ...groupsOfStep(step)]))];
    this.candidates = { allow: groupsOf('allow', 'pass'), deny: groupsOf('deny', 'pass') };
  }

  /** The addresses of each outcome if they are in no group: disjoint, ascending. */
  rangesOf(family: Family): Readonly<Record<Outcome, readonly AddressRange[]>> {
    this.#ranges ??= { ipv4: this.#walkRanges('ipv4'), ipv6: this.#walkRanges('ipv6') };
    return this.#ranges[family];
  }

  /** What becomes of the address, which the pod owns. */
  outcomeOf(pod: PodKey, address: string, groups: Groups): Outcome {
    return this.#judge(address, (_, index) => matchesGroups(this.steps[index]!, pod, groups));
  }

  /** Like `outcomeOf` for all members of these groups. The cost is that of the groups' sizes. */
  *outcomes(of: readonly GroupId[], groups: Groups): Generator<readonly [address: string, Outcome]> {
    const asked = new Map<PodKey, Member>();
    for (const id of of) for (const [pod, member] of groups.get(id)?.members ?? []) asked.set(pod, member);
    const matching = new Map<PodKey, Set<number>>();
    for (const [index, step] of this.steps.entries()) {
      for (const id of groupsOfStep(step)) {
        for (const pod of groups.get(id)?.members.keys() ?? []) {
          if (!asked.has(pod) || (step.declares && !matchesGroups(step, pod, groups))) continue;
          const indexes = matching.get(pod);
          if (indexes) indexes.add(index);
          else matching.set(pod, new Set([index]));
        }
      }
    }
    for (const [pod, member] of asked) {
      const indexes = matching.get(pod);
      for (const address of member.addresses)
        yield [address, this.#judge(address, (_, index) => indexes?.has(index) ?? false)];
    }
  }

  /** @param inGroup whether the owner of the address is in a group of the step */
  #judge(address: string, inGroup: (step: Step, index: number) => boolean): Outcome {
    let parsed: ReturnType<typeof parseAddress>;
    let skipped: number | undefined;
    for (const [index, step] of this.steps.entries()) {
      if (step.level === skipped) continue;
      if (!inGroup(step, index) && !(this.#isStatic[index] && matchesStatic(step, (parsed ??= parseAddress(address)!))))
        continue;
      if (step.verdict !== 'pass') return step.verdict;
      skipped = step.level;
    }
    return 'deny';
  }

  #walkRanges(family: Family): Readonly<Record<Outcome, readonly AddressRange[]>> {
    const found: Record<Outcome, AddressRange[]> = { allow: [], deny: [] };
    let [left, passed, level]: [readonly AddressRange[], readonly AddressRange[], number | undefined] = [
      [wholeFamily[family]],
      [],
      undefined,
    ];
    for (const step of this.steps) {
      if (step.level !== level) [left, passed, level] = [mergeRanges([...left, ...passed]), [], step.level];
      const ranges = staticRanges(step, family);
      if (ranges.length === 0) continue;
      const { inside: matched, outside: rest } = splitRanges(left, ranges);
      if (step.verdict === 'pass') passed = [...passed, ...matched];
      // Not as arguments of one call: some policies have more ranges than a call can take.
      else for (const range of matched) found[step.verdict].push(range);
      left = rest;
    }
    return { allow: mergeRanges(found.allow), deny: mergeRanges([...found.deny, ...left, ...passed]) };
  }
}

export const wholeFamily: Readonly<Record<Family, AddressRange>> = {
  ipv4: { family: 'ipv4', first: 0n, last: (1n << BigInt(addressBits.ipv4)) - 1n },
  ipv6: { family: 'ipv6', first: 0n, last: (1n << BigInt(addressBits.ipv6)) - 1n },
};

export function isWhole(family: Family, ranges: readonly AddressRange[]): boolean {
  const [range] = ranges;
  return ranges.length === 1 && range!.first === 0n && range!.last === wholeFamily[family].last;
}

/** Groups that have every pod that the step can match by a group. */
function groupsOfStep(step: Step): GroupId[] {
  return step.declares ? [step.declares.declarers] : groupsOfPeers(step);
}

function groupsOfPeers({ peers }: Step): GroupId[] {
  return peers.flatMap((peer) => (peer.kind === 'pods' ? [peer.group] : []));
}

/** Whether the step matches the pod by a group. */
function matchesGroups({ peers, declares }: Step, pod: PodKey, groups: Groups): boolean {
  const ofPeers = peers.some((peer) => peer.kind === 'pods' && groups.get(peer.group)?.members.has(pod));
  if (!declares) return ofPeers;
  const { name, protocol, port, declarers } = declares;
  if (!ofPeers && !peers.some(({ kind }) => kind === 'any')) return false;
  const declared = groups.get(declarers)?.members.get(pod)?.ports ?? [];
  const isMeant = (number: number): boolean =>
    typeof port === 'number' ? number === port : !port.not.includes(number);
  return declared.some((each) => each.name === name && each.protocol === protocol && isMeant(each.port));
}

function staticRanges({ peers, declares }: Step, family: Family): readonly AddressRange[] {
  if (declares) return [];
  if (peers.some(({ kind }) => kind === 'any')) return [wholeFamily[family]];
  return mergeRanges(
    peers.flatMap((peer) => (peer.kind === 'cidr' ? peer.ranges.filter((range) => range.family === family) : [])),
  );
}

function matchesStatic(
  { peers, declares }: Step,
  address: { readonly family: Family; readonly value: bigint },
): boolean {
  if (declares) return false;
  return peers.some((peer) => {
    if (peer.kind === 'any') return true;
    return peer.kind === 'cidr' && holdsAddress(peer.ranges, address);
  });
}

function stepText(step: Step): string {
  const { level, verdict, declares } = step;
  const port = declares ? ` ${declares.protocol}/${declares.name}=${JSON.stringify(declares.port)}` : '';
  return `${level} ${verdict} ${peersText(step)}${port}`;
}
