import type { Cluster } from '../evaluator/cluster.ts';
import type { Decision } from '../evaluator/decision.ts';
import type { JsonObject } from '../lib/json.ts';
import { families } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { DeclaredPort } from './declared-ports.ts';
import { classifyEnds } from './end-class.ts';
import type { EndClass, Member } from './end-class.ts';
import { Judge } from './judge.ts';
import { ownersAt } from './owners.ts';
import { reasonsOf } from './reason.ts';
import type { Reason } from './reason.ts';
import type { Touches } from './touch.ts';

/** Pods whose traffic on a declared port is judged otherwise afterwards: each source to each destination, but for itself. */
export interface PairChange extends DeclaredPort {
  readonly source: PairEnd;
  readonly destination: PairEnd;
  readonly families: readonly Family[];
  readonly pairs: number;
  /** Of one pair that stands for all: why it is denied, after; or before, if it would open. */
  readonly reasons: readonly Reason[];
}

export interface PairEnd {
  readonly name: string;
  /** `namespace/name` of pods; of a host its name. */
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
  touches: Touches,
): PairChanges {
  const changes = { cut: new Map<string, PairChange>(), opened: new Map<string, PairChange>() };
  const [old, current] = [new Judge(before), new Judge(after)];
  for (const family of families) {
    const classes = classifyEnds(before, after, objects, family);
    const touched = new Set(
      classes.filter(({ members: [{ endpoint }] }) =>
        touches([before, after].flatMap((cluster) => ownersAt(cluster, endpoint, family))),
      ),
    );
    for (const source of classes) {
      for (const destination of classes) {
        if (!touched.has(source) && !touched.has(destination)) continue;
        for (const part of partsOf(source, destination)) {
          for (const port of destination.ports) {
            const flow = {
              source: part.from.endpoint,
              destination: part.to.endpoint,
              protocol: port.protocol,
              ...(port.port !== undefined && { destinationPort: port.port }),
              family,
            };
            const [then, now] = [old.evaluate(flow), current.evaluate(flow)];
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

/** Some of the destination's members, and one pair of ends that stands for all. */
interface Part {
  readonly from: Member;
  readonly to: Member;
  readonly members: readonly Member[];
  readonly pairs: number;
}

/** What comes from a pod's own node always passes (S5.1), so destinations beside a source on its host's network are a part of their own. */
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
