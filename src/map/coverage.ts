import type { Cluster } from '../evaluator/cluster.ts';
import type { Direction } from '../evaluator/decision.ts';
import type { Policy, Rule } from '../evaluator/policy.ts';
import { isolatingPolicies } from '../evaluator/subject.ts';
import type { Finding } from '../doctor/finding.ts';
import { plural } from '../lib/plural.ts';
import type { Line, Verdicts } from './lines.ts';
import type { Badge, BadgeKind, CoverageItem } from './policy-map.ts';
import type { Spot, Spots } from './spots.ts';

const directions = ['ingress', 'egress'] as const;
const open: Readonly<Record<Direction, string>> = {
  ingress: 'everything may connect to it',
  egress: 'it may connect to everything',
};

/** Rules that a badge names, at most. */
const mostNamed = 3;

/** What a workload's pods lack, for the map. */
export function badgesOf(spot: Spot, cluster: Cluster, findings: readonly Finding[]): Badge[] {
  if (spot.kind !== 'workload') return [];
  const lacking = directions.flatMap((direction): Badge[] => {
    const openPods = spot.pods.filter(({ read }) => isOpen(cluster, read, direction));
    if (openPods.length === 0) return [];
    const whom = openPods.length === spot.pods.length ? '' : ` ${openPods.length} of its ${spot.pods.length} pods`;
    const kind: BadgeKind = `no-${direction}-isolation`;
    const text = `No NetworkPolicy isolates${whom || ' it'} for ${direction}: ${open[direction]} unless a ClusterNetworkPolicy denies it.`;
    return [{ kind, text }];
  });
  const keys = new Set(spot.pods.map(({ read }) => read.key));
  const unenforced = findings.filter(({ severity, pods }) => severity === 'error' && pods.some((pod) => keys.has(pod)));
  return [
    ...lacking,
    ...unenforced.map(({ problem, effect }): Badge => ({ kind: 'not-enforced', text: sentence(problem, effect) })),
  ];
}

/** Whether no NetworkPolicy isolates the pod. */
export function isOpen(cluster: Cluster, pod: Parameters<typeof isolatingPolicies>[1], direction: Direction): boolean {
  return !isolatingPolicies(cluster, pod, direction).some(({ tier }) => tier === 'NetworkPolicy');
}

/** The list of what deserves a look. `minutes`: how long flows were kept; 0 if there are none. */
export function findCoverage(
  spots: Spots,
  lines: readonly Line[],
  verdicts: Verdicts,
  findings: readonly Finding[],
  minutes: number,
): CoverageItem[] {
  const { cluster } = verdicts;
  const workloads = [...spots.all].filter(({ kind }) => kind === 'workload');
  const selected = selectedSpots(cluster, workloads);
  const spotsOfPods = (pods: readonly string[]): string[] => {
    const keys = new Set(pods);
    return workloads.filter((spot) => spot.pods.some(({ read }) => keys.has(read.key))).map(({ id }) => id);
  };
  return [
    ...findings.map((finding): CoverageItem => ({
      kind: 'doctor',
      subject: finding.subject,
      text: sentence(finding.problem, finding.effect, finding.remedy),
      nodeIds: spotsOfPods(finding.pods),
    })),
    ...cluster.issues.map(({ object, path, message }): CoverageItem => ({
      kind: 'invalid',
      subject: object,
      text: sentence(`${path}: ${message}`),
      nodeIds: object.startsWith('Pod ') ? spotsOfPods([object.slice('Pod '.length)]) : [],
    })),
    ...cluster.policies.all.flatMap((policy): CoverageItem[] =>
      selected.has(policy)
        ? []
        : [
            {
              ...{ kind: 'selects-no-pod', subject: nameOf(policy), text: 'It selects no pod that runs.', nodeIds: [] },
              ...(policy.tier === 'NetworkPolicy' && { namespace: policy.namespace }),
            },
          ],
    ),
    ...cluster.audited.map((policy): CoverageItem => ({
      kind: 'audit',
      subject: nameOf(policy),
      text: 'It is in audit: it is not enforced, and `postern audit` lists what it would deny.',
      nodeIds: [],
    })),
    ...(minutes > 0 ? unmatchedRules(cluster, lines, verdicts, selected, minutes) : []),
    ...workloads.flatMap((spot) =>
      badgesOf(spot, cluster, []).map(({ text }): CoverageItem => ({
        kind: 'not-isolated',
        subject: `${spot.namespace}/${spot.label}`,
        text,
        nodeIds: [spot.id],
      })),
    ),
  ];
}

/** By node of the map, a badge if rules of its policies matched nothing. */
export function unmatchedBadges(coverage: readonly CoverageItem[]): Map<string, Badge> {
  const found = new Map<string, CoverageItem[]>();
  for (const item of coverage) {
    if (item.kind !== 'no-match') continue;
    for (const id of item.nodeIds) found.set(id, [...(found.get(id) ?? []), item]);
  }
  return new Map(
    Array.from(found, ([id, items]) => {
      const named = items.slice(0, mostNamed).map(({ subject, text }) => `${subject}: ${text}`);
      const more = items.length > mostNamed ? [`And ${items.length - mostNamed} more.`] : [];
      return [id, { kind: 'no-match', text: [...named, ...more].join(' ') }];
    }),
  );
}

/** By namespace, how many of its policies select no pod. */
export function countIdle(coverage: readonly CoverageItem[]): Map<string, number> {
  const idle = coverage.flatMap(({ kind, namespace }) =>
    kind === 'selects-no-pod' && namespace !== undefined ? [namespace] : [],
  );
  return new Map(
    Array.from(
      Map.groupBy(idle, (each) => each),
      ([namespace, all]) => [namespace, all.length],
    ),
  );
}

function selectedSpots(cluster: Cluster, workloads: readonly Spot[]): Map<Policy, Set<string>> {
  const selected = new Map<Policy, Set<string>>();
  for (const spot of workloads) {
    for (const { read } of spot.pods) {
      for (const policy of cluster.policies.selecting([read])) {
        const ids = selected.get(policy);
        if (ids) ids.add(spot.id);
        else selected.set(policy, new Set([spot.id]));
      }
    }
  }
  return selected;
}

/** Rules that decided nothing of what was seen. */
function unmatchedRules(
  cluster: Cluster,
  lines: readonly Line[],
  verdicts: Verdicts,
  selected: ReadonlyMap<Policy, ReadonlySet<string>>,
  minutes: number,
): CoverageItem[] {
  const used = new Set<string>();
  /** Ends of connections that cannot be judged: any rule of theirs may be in use. */
  const unjudged = { ingress: new Set<string>(), egress: new Set<string>() };
  for (const line of lines) {
    if (line.flows.length === 0) {
      unjudged.ingress.add(line.toSpot.id);
      unjudged.egress.add(line.fromSpot.id);
    }
    for (const { ingress, egress } of verdicts.decide(line)) {
      for (const { allowedBy, tiers } of [ingress, egress]) {
        const rules = [...allowedBy, ...(tiers?.decidedBy ? [tiers.decidedBy] : []), ...(tiers?.passedBy ?? [])];
        for (const { policy, path } of rules) used.add(`${policy} ${path}`);
      }
    }
  }
  return cluster.policies.all.flatMap((policy) => {
    const ids = selected.get(policy);
    if (!ids) return [];
    return directions.flatMap((direction) => {
      if ([...ids].some((id) => unjudged[direction].has(id))) return [];
      return policy.rules[direction]
        .filter((rule) => isRead(rule) && !used.has(`${policy.ref} ${rule.path}`))
        .map(({ path, index, name }): CoverageItem => ({
          kind: 'no-match',
          subject: nameOf(policy),
          text: `Rule ${name ?? index + 1} (${path}) matched no connection in the last ${plural(minutes, 'minute')}.`,
          nodeIds: [...ids],
        }));
    });
  });
}

/** An invalid part is listed as such. */
function isRead({ broken, peers, ports }: Rule): boolean {
  return !broken && [peers, ports].every((parts) => parts === 'any' || parts.every(({ kind }) => kind !== 'broken'));
}

function nameOf({ tier, ref }: Policy): string {
  return tier === 'NetworkPolicy' ? `NetworkPolicy ${ref}` : ref;
}

function sentence(...parts: readonly string[]): string {
  return parts
    .filter((part) => part !== '')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1) + (/[.!?]$/.test(part) ? '' : '.'))
    .join(' ');
}
