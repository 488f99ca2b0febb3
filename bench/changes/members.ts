import { namespaceName } from '../cluster/layout.ts';
import { appName } from '../cluster/pods.ts';
import { Random } from '../cluster/random.ts';
import type { Shape } from '../cluster/shapes.ts';
import type { Forecast } from './forecast.ts';
import type { MeasuredNode } from './measured-node.ts';
import { again, remotePods, withAddresses, withoutLabels, type PodObject } from './pods.ts';

/** Pods of other nodes that are members of groups on this node. */
export interface Members {
  /** Pods whose labels and addresses affect the rules of this node. */
  readonly byLabel: readonly PodObject[];
  readonly byAddress: readonly PodObject[];
  /** Members of a group that nearly every class uses; of more than a thousand where namespaces are unequal, some. */
  readonly popular: readonly PodObject[];
  /** Other pods. */
  readonly others: readonly PodObject[];
}

/**
 * Draws random members and tests each by the forecast: its element may not change the rules, because another member or group already adds it. A change
 * must be one of elements alone.
 */
export function findMembers({ forecast }: MeasuredNode, shape: Shape, count: number): Members {
  const random = new Random(shape.seed);
  const keys = new Set(forecast.groups.flat().map((key) => key.split('/').slice(0, 2).join('/')));
  const dns = `${namespaceName(0)}/${appName(0)}-`;
  const popular = new Set([...keys].filter((key) => key.startsWith(dns)));
  const drawn = random.several(
    [...keys].filter((key) => !popular.has(key)),
    6 * count,
  );
  const pods = remotePods(shape, new Set([...popular, ...drawn]));
  const candidates = random.several(
    pods.filter((pod) => !popular.has(keyOf(pod))),
    pods.length,
  );
  const byLabel = findSensitive(forecast, candidates, withoutLabels, count);
  const rest = candidates.filter((pod) => !byLabel.includes(pod));
  const byAddress = findSensitive(forecast, rest, (pod) => withAddresses(pod, []), count);
  const others = rest.filter((pod) => !byAddress.includes(pod));
  return { byLabel, byAddress, popular: pods.filter((pod) => popular.has(keyOf(pod))).slice(0, count), others };
}

function findSensitive(
  forecast: Forecast,
  candidates: readonly PodObject[],
  change: (pod: PodObject) => PodObject,
  count: number,
): PodObject[] {
  const found: PodObject[] = [];
  for (const pod of candidates) {
    if (forecast.changesElementsOnly(change(pod), again(pod)) && found.push(pod) === count) return found;
  }
  throw new Error(`only ${found.length} of ${candidates.length} pods matter to this node`);
}

function keyOf({ metadata: { namespace, name } }: PodObject): string {
  return `${namespace}/${name}`;
}
