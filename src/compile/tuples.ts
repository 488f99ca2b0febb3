import { isSameList } from '../lib/is-same-list.ts';
import { changeBetween, ElementSet, withChange, type ElementChange } from '../nftables/element-set.ts';
import type { Element, Elements, NftSet } from '../nftables/ruleset.ts';
import type { FamilyDraft } from './class-draft.ts';
import type { ClassSpec } from './class-spec.ts';
import { hasInterval, portTexts } from './port-set.ts';
import { tuplesSet } from './set-builder.ts';

/**
 * The tuples set (`peer . protocol . port`) of a class.
 * @param before the draft, of the same spec, that `known` was built from
 */
export function tuplesOf(
  draft: FamilyDraft,
  spec: ClassSpec,
  before: FamilyDraft | undefined,
  known: NftSet | undefined,
): NftSet {
  if (!before || !known) return tuplesSet(draft.family, spec, new ElementSet(allTuples(draft)));
  const hasSamePorts = isSameList(draft.members, before.members, (a, b) => a.ports === b.ports);
  const change = hasSamePorts
    ? changeOfMembers(known.elements, draft, before)
    : changeBetween(known.elements, allTuples(draft));
  const elements = withChange(known.elements, change);
  return elements === known.elements ? known : { ...known, elements };
}

interface ExactEntry {
  readonly peers: Elements;
  readonly ports: readonly string[];
}

function exactEntries({ members }: FamilyDraft): ExactEntry[] {
  const exact = members.filter(({ ports }) => !hasInterval(ports));
  return exact.map(({ peers, ports }) => ({ peers: peers.elements, ports: portTexts(ports) }));
}

function allTuples(draft: FamilyDraft): Set<Element> {
  const tuples = new Set<Element>();
  for (const [address, ports] of draft.namedPorts) for (const port of ports) tuples.add(tupleOf(address, port));
  for (const { peers, ports } of exactEntries(draft)) {
    for (const address of peers) for (const port of ports) tuples.add(tupleOf(address, port));
  }
  return tuples;
}

/** Both drafts have the same ports for the same entries. */
function changeOfMembers(known: Elements, draft: FamilyDraft, before: FamilyDraft): ElementChange {
  const [now, then] = [exactEntries(draft), exactEntries(before)];
  const added = new Set<Element>();
  const removed = new Set<Element>();
  const visit = (address: string, ports: Iterable<string>): void => {
    for (const port of ports) {
      const tuple = tupleOf(address, port);
      const isWanted =
        now.some((entry) => entry.peers.has(address) && entry.ports.includes(port)) ||
        draft.namedPorts.get(address)?.has(port) === true;
      if (isWanted !== known.has(tuple)) (isWanted ? added : removed).add(tuple);
    }
  };
  for (const [index, { peers, ports }] of now.entries()) {
    const change = changeBetween(then[index]!.peers, peers);
    for (const address of [...change.added, ...change.removed]) visit(address, ports);
  }
  for (const [one, other] of [
    [draft.namedPorts, before.namedPorts],
    [before.namedPorts, draft.namedPorts],
  ] as const) {
    for (const [address, ports] of one) visit(address, ports.difference(other.get(address) ?? new Set()));
  }
  return { added: [...added], removed: [...removed] };
}

function tupleOf(address: string, port: string): Element {
  return `${address} . ${port}`;
}
