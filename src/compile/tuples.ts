import type { ElementChange, ElementChanges, Elements } from '../nftables/element-changes.ts';
import type { Element, NftSet } from '../nftables/ruleset.ts';
import type { FamilyDraft } from './class-shape.ts';
import type { ClassSpec } from './class-spec.ts';
import { hasInterval, portRangeText } from './port-set.ts';
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
  changes: ElementChanges,
): NftSet {
  if (!before || !known || !isLike(draft, before)) return tuplesSet(draft.family, spec.text, allTuples(draft));
  const elements = changes.apply(known.elements, changeOf(known.elements, draft, before, changes));
  return elements === known.elements ? known : { ...known, elements };
}

interface ExactEntry {
  readonly peers: Elements;
  readonly ports: readonly string[];
}

function exactEntries({ members }: FamilyDraft): ExactEntry[] {
  const exact = members.filter(({ ports }) => !hasInterval(ports));
  return exact.map(({ peers, ports }) => ({ peers: peers.elements, ports: ports.map(portRangeText) }));
}

function allTuples(draft: FamilyDraft): Set<Element> {
  const tuples = new Set<Element>();
  for (const [address, ports] of draft.namedPorts) for (const port of ports) tuples.add(`${address} . ${port}`);
  for (const { peers, ports } of exactEntries(draft)) {
    for (const address of peers) for (const port of ports) tuples.add(`${address} . ${port}`);
  }
  return tuples;
}

/** Both drafts have the same ports for the same entries, and no named ports. Then only members differ. */
function isLike(draft: FamilyDraft, before: FamilyDraft): boolean {
  return (
    draft.namedPorts.size + before.namedPorts.size === 0 &&
    draft.members.length === before.members.length &&
    draft.members.every(({ ports }, index) => ports === before.members[index]!.ports)
  );
}

function changeOf(known: Elements, draft: FamilyDraft, before: FamilyDraft, changes: ElementChanges): ElementChange {
  const [now, then] = [exactEntries(draft), exactEntries(before)];
  const touched = new Set<string>();
  for (const [index, { peers }] of now.entries()) {
    const { added, removed } = changes.between(then[index]!.peers, peers);
    for (const address of [...added, ...removed]) touched.add(address);
  }
  const added: Element[] = [];
  const removed: Element[] = [];
  for (const address of touched) {
    const wanted = new Set(now.filter(({ peers }) => peers.has(address)).flatMap(({ ports }) => ports));
    for (const port of new Set(now.flatMap(({ ports }) => ports))) {
      const tuple = `${address} . ${port}`;
      if (wanted.has(port) === known.has(tuple)) continue;
      (wanted.has(port) ? added : removed).push(tuple);
    }
  }
  return { added, removed };
}
