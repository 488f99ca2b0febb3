import type { Labels } from '../flows/owner-labels.ts';
import { compareText } from '../lib/sort.ts';

/** Labels by which people know a workload, the best first. */
const wellKnown: readonly string[] = [
  'app.kubernetes.io/name',
  'app',
  'k8s-app',
  'name',
  'app.kubernetes.io/component',
  'component',
  'app.kubernetes.io/instance',
  'tier',
  'role',
  'release',
];
/** Labels that an upgrade changes, or that name a tool. They count only where nothing else tells workloads apart. */
const fleeting: ReadonlySet<string> = new Set([
  'version',
  'app.kubernetes.io/version',
  'app.kubernetes.io/managed-by',
  'app.kubernetes.io/part-of',
  'helm.sh/chart',
  'chart',
  'heritage',
]);

/** Keys that are tried together, and keys of one workload that are tried at all: 298 combinations. */
const mostKeys = 3;
const mostTried = 12;

export interface ChosenLabels {
  readonly labels: Labels;
  /** Whether the labels select other pods of the namespace too. */
  readonly isShared: boolean;
}

/**
 * The fewest labels that select a workload and no other pod of its namespace. If there are none, all of its labels but the fleeting ones.
 * @param common labels that all pods of the workload have
 * @param others labels of the other pods of the namespace
 */
export function chooseLabels(common: Labels, others: readonly Labels[]): ChosenLabels {
  const keys = Object.keys(common).sort((a, b) => rankOf(a) - rankOf(b) || compareText(a, b));
  const pick = (chosen: readonly string[]): Labels => Object.fromEntries(chosen.map((key) => [key, common[key]!]));
  if (keys.length === 0) return { labels: {}, isShared: others.length > 0 };
  const isShared = (labels: Labels): boolean => others.some((each) => hasLabels(each, labels));
  const lasting = keys.filter((key) => !fleeting.has(key));
  for (const tried of [lasting, keys]) {
    for (let count = 1; count <= mostKeys; count++) {
      for (const chosen of combinations(tried.slice(0, mostTried), count)) {
        if (!isShared(pick(chosen))) return { labels: pick(chosen), isShared: false };
      }
    }
  }
  const labels = pick(lasting.length > 0 && isShared(pick(keys)) ? lasting : keys);
  return { labels, isShared: isShared(labels) };
}

export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

/** The labels that all have. */
export function commonLabels([first, ...rest]: readonly Labels[]): Labels {
  const common = Object.entries(first ?? {}).filter(([key, value]) =>
    rest.every((each) => Object.hasOwn(each, key) && each[key] === value),
  );
  return Object.fromEntries(common);
}

function rankOf(key: string): number {
  if (fleeting.has(key)) return 1_000;
  const rank = wellKnown.indexOf(key);
  return rank < 0 ? wellKnown.length : rank;
}

function* combinations(keys: readonly string[], count: number, from = 0): Generator<string[]> {
  if (count === 0) return void (yield []);
  for (let index = from; index < keys.length; index++) {
    for (const rest of combinations(keys, count - 1, index + 1)) yield [keys[index]!, ...rest];
  }
}
