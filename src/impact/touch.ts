import type { Cluster } from '../evaluator/cluster.ts';
import type { Pod } from '../evaluator/party.ts';
import { appliesTo } from '../evaluator/subject.ts';
import type { JsonObject } from '../lib/json.ts';
import { canonicalText } from './canonical.ts';
import { keyOf } from './object-key.ts';

/** Whether a change can affect the verdicts of these pods; `false` only if it certainly cannot. */
export type Touches = (owners: readonly Pod[]) => boolean;

/** If only policies differ, verdicts change only for pods that a changed policy selects. */
export function findTouched(
  before: { readonly objects: readonly JsonObject[]; readonly cluster: Cluster },
  after: { readonly objects: readonly JsonObject[]; readonly cluster: Cluster },
): Touches {
  const changed = new Set(differing(before.objects, after.objects));
  if ([...changed].some((key) => !key.startsWith('NetworkPolicy '))) return () => true;
  const policies = [before, after].flatMap(({ cluster }) =>
    cluster.policies.filter(({ ref }) => changed.has(`NetworkPolicy ${ref}`)),
  );
  return (owners) => owners.some((pod) => policies.some((policy) => appliesTo(policy, pod)));
}

function differing(before: readonly JsonObject[], after: readonly JsonObject[]): string[] {
  const index = (objects: readonly JsonObject[]): Map<string, JsonObject> =>
    new Map(objects.map((object) => [keyOf(object), object]));
  const [old, now] = [index(before), index(after)];
  const isSame = (a: JsonObject | undefined, b: JsonObject | undefined): boolean =>
    a === b || (a !== undefined && b !== undefined && canonicalText(a) === canonicalText(b));
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => !isSame(old.get(key), now.get(key)));
}
