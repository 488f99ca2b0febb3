import type { Cluster } from '../evaluator/cluster.ts';
import type { Decision } from '../evaluator/decision.ts';
import { evaluate } from '../evaluator/evaluator.ts';
import type { JsonObject } from '../lib/json.ts';
import { families } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { DeclaredPort } from './declared-ports.ts';
import { classifyEnds } from './end-class.ts';
import type { EndClass, Member } from './end-class.ts';
import { reasonsOf } from './reason.ts';
import type { Reason } from './reason.ts';
import type { Touch, TouchedEnd } from './touch.ts';

/** Pairs of pods whose verdict on a declared port changes: each source to each destination except itself. */
export interface PairChange extends DeclaredPort {
  readonly source: PairEnd;
  readonly destination: PairEnd;
  readonly families: readonly Family[];
  readonly pairs: number;
  /** Why one example pair is denied: after the change if it is cut, before the change if it opens. */
  readonly reasons: readonly Reason[];
}

export interface PairEnd {
  readonly name: string;
  /** `namespace/name` of pods, or the name of a host. */
  readonly members: readonly string[];
}

export interface PairChanges {
  readonly cut: readonly PairChange[];
  readonly opened: readonly PairChange[];
}

export function findPairChanges(
  before: Cluster,
  after: Cluster,
  objects: readonly JsonObject[],
  touch: Touch,
): PairChanges {
  const changes = { cut: new Map<string, PairChange>(), opened: new Map<string, PairChange>() };
  for (const family of families) {
    const classes = classifyEnds(before, after, objects, family).map((each) => {
      return { ...each, touched: touchedBy(touch, each, family) };
    });
    for (const source of classes) {
      for (const destination of classes) {
        if (!touch.canChange(source.touched, destination.touched)) continue;
        for (const part of partsOf(source, destination)) {
          for (const port of destination.ports) {
            const flow = {
              source: part.from.endpoint,
              destination: part.to.endpoint,
              protocol: port.protocol,
              ...(port.port !== undefined && { destinationPort: port.port }),
              family,
            };
            const [then, now] = [evaluate(before, flow), evaluate(after, flow)];
            if (then.verdict === now.verdict) continue;
            const cut = now.verdict === 'denied';
            add(cut ? changes.cut : changes.opened, source, destination, part, port, family, cut ? now : then);
          }
        }
      }
    }
  }
  const inOrder = (map: Map<string, PairChange>): PairChange[] => [...map.values()].sort((a, b) => b.pairs - a.pairs);
  return { cut: inOrder(changes.cut), opened: inOrder(changes.opened) };
}

/** Policies select all members of a class alike, but the object of one of them alone can differ. A pod whose address is contested has no other beside it. */
function touchedBy(touch: Touch, { members }: EndClass, family: Family): TouchedEnd {
  const changed = members.find(({ pod }) => pod && touch.isChangedPod(pod.key));
  return touch.endAt((changed ?? members[0]).endpoint, family);
}

/** Some members of the destination class, and one pair of ends to evaluate for all of them. */
interface Part {
  readonly from: Member;
  readonly to: Member;
  readonly members: readonly Member[];
  readonly pairs: number;
}

/** Traffic of a hostNetwork pod to pods of its node always passes (S5.1), so these destinations are a separate part. */
function partsOf(source: EndClass, destination: EndClass): Part[] {
  const [from] = source.members;
  const node = from.pod?.hostNetwork === true ? from.pod.nodeName : undefined;
  const beside = destination.members.filter(({ pod }) => node !== undefined && pod?.nodeName === node);
  const elsewhere = destination.members.filter((each) => !beside.includes(each));
  return [beside, elsewhere].flatMap((members): Part[] => {
    const isSame = source === destination;
    const to = isSame ? members.find((each) => each !== from) : members[0];
    if (!to) return [];
    const pairs = source.members.length * members.length - (isSame ? members.length : 0);
    return [{ from, to, members, pairs }];
  });
}

function add(
  changes: Map<string, PairChange>,
  source: EndClass,
  destination: EndClass,
  part: Part,
  port: DeclaredPort,
  family: Family,
  denied: Decision,
): void {
  const ends = {
    source: { name: source.name, members: source.members.map(({ name }) => name) },
    destination: { name: destination.name, members: part.members.map(({ name }) => name) },
  };
  const reasons = reasonsOf(denied);
  const key = JSON.stringify([ends, port, reasons]);
  const same = changes.get(key);
  const inFamilies = [...(same?.families ?? []), family];
  changes.set(key, { ...ends, ...port, families: inFamilies, pairs: part.pairs, reasons });
}
