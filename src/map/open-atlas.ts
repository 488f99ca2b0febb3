import { prepareCluster, type Cluster } from '../evaluator/cluster.ts';
import type { Decision, Direction, Endpoint } from '../evaluator/decision.ts';
import { keptMinutes } from '../flows/flow-fold.ts';
import { mergeHistories, type Traffic } from '../flows/traffic.ts';
import { applyObjects, deleteObjects, type ObjectChange } from '../impact/changes.ts';
import { keyOf } from '../impact/object-key.ts';
import { objectAt, type JsonObject } from '../lib/json.ts';
import { applyDefaults } from '../manifests/defaults.ts';
import { Scene } from '../suggest/scene.ts';
import { suggest, type Suggestion, type Suggestions } from '../suggest/suggest.ts';
import type { Atlas, ChangedAtlas, MapOptions, WantedSuggestion, WhatIf } from './atlas.ts';
import { badgesOf, countIdle, findCoverage, isOpen, unmatchedBadges } from './coverage.ts';
import { groupDenials } from './denials.ts';
import { drawEdges } from './draw.ts';
import { edgeId, portName, seenLines, Verdicts, type Line } from './lines.ts';
import type { PageData } from './page-data.ts';
import type { CoverageItem, DenialGroup, ExplainedPair, MapNode, PolicyMap, TimelineMinute } from './policy-map.ts';
import { possibleLines } from './possible.ts';
import { Spots } from './spots.ts';

/** Pairs of pods that an explanation has. */
const mostPairs = 12;

/** Reads the data of the page. Depends only on its argument. */
export function openAtlas(data: PageData): Atlas {
  return new OpenAtlas(data);
}

class OpenAtlas implements Atlas {
  readonly data: PageData;
  readonly notes: readonly string[];
  readonly timeline: readonly TimelineMinute[];
  readonly #scene: Scene;
  readonly #spots: Spots;
  readonly #traffic: readonly Traffic[];
  readonly #lines: readonly Line[];
  readonly #now: Verdicts;
  readonly #coverage = new WeakMap<Verdicts, readonly CoverageItem[]>();
  /** That all agents have kept: the least. */
  readonly #minutes: number;

  constructor(data: PageData) {
    this.data = data;
    this.#scene = new Scene(data.objects, data.shows);
    this.#now = new Verdicts(this.#scene.cluster);
    this.#spots = new Spots(this.#scene);
    this.#traffic = mergeHistories(data.histories, Infinity);
    const { lines, notes } =
      data.histories.length > 0
        ? { lines: seenLines(this.#traffic, this.#spots, this.#scene.cluster), notes: [] }
        : possibleLines(this.#spots, this.#now, this.#scene.cluster);
    [this.#lines, this.notes] = [lines, notes];
    this.timeline = drawTimeline(data, this.#traffic);
    const kept = data.histories.map(({ now, since }) => Math.min(keptMinutes, now - since + 1));
    this.#minutes = kept.length > 0 ? Math.min(...kept) : 0;
  }

  map(options: MapOptions = {}): PolicyMap {
    return this.draw(undefined, options);
  }

  /** @param after the verdicts after a change */
  draw(after: Verdicts | undefined, { minutes }: MapOptions): PolicyMap {
    const edges = drawEdges(this.#lines, this.#now, after, minutes);
    const linked = new Set(edges.flatMap(({ from, to }) => [from, to]));
    const { findings } = this.data;
    const judged = after ?? this.#now;
    const coverage = this.coverageWith(judged);
    const unmatched = unmatchedBadges(coverage);
    const nodes = [...this.#spots.all]
      .filter(({ id, kind }) => kind === 'workload' || linked.has(id))
      .map(({ id, kind, namespace, label, pods, ...spot }): MapNode => ({
        ...{ id, kind, ...(namespace !== undefined && { namespace }), label, pods: pods.length },
        badges: [
          ...badgesOf({ id, kind, label, pods, ...spot }, judged.cluster, findings),
          ...[unmatched.get(id) ?? []].flat(),
        ],
      }));
    return {
      ...{ nodes, edges, idlePolicies: countIdle(coverage) },
      firstMinute: this.timeline[0]?.minute ?? 0,
      lastMinute: this.timeline.at(-1)?.minute ?? 0,
    };
  }

  explain(id: string, port: string): readonly ExplainedPair[] {
    return this.explainWith(undefined, id, port);
  }

  explainWith(after: Verdicts | undefined, id: string, port: string): readonly ExplainedPair[] {
    const lines = this.#lines.filter(
      (line) => edgeId(line.fromSpot.id, line.toSpot.id) === id && portName(line) === port,
    );
    const pairs = lines.flatMap((line) => {
      const [now, then] = [this.#now.decide(line), after?.decide(line)];
      return line.flows.map(({ source, destination, family }, index): ExplainedPair => ({
        ...{ from: nameOf(source), to: nameOf(destination), family, decision: now[index]! },
        ...(then && { after: then[index]! }),
      }));
    });
    // One of each verdict first, so that each part of the verdict `both` is explained.
    const groups = Map.groupBy(
      pairs,
      ({ decision, after: changed }) => `${verdictsOf(decision)} ${changed ? verdictsOf(changed) : ''}`,
    );
    const [first, rest] = [
      [...groups.values()].map(([one]) => one!),
      [...groups.values()].flatMap(([, ...others]) => others),
    ];
    return [...first, ...rest].slice(0, mostPairs);
  }

  denials({ minutes }: MapOptions = {}): readonly DenialGroup[] {
    return groupDenials(this.#lines, this.#now, minutes);
  }

  coverage(): readonly CoverageItem[] {
    return this.coverageWith(this.#now);
  }

  coverageWith(verdicts: Verdicts): readonly CoverageItem[] {
    let found = this.#coverage.get(verdicts);
    if (!found) {
      found = findCoverage(this.#spots, this.#lines, verdicts, this.data.findings, this.#minutes);
      this.#coverage.set(verdicts, found);
    }
    return found;
  }

  suggest(wanted: WantedSuggestion): Suggestions {
    return this.suggestFor(this.data.objects, this.#now.cluster, wanted);
  }

  suggestFor(objects: readonly JsonObject[], cluster: Cluster, wanted: WantedSuggestion): Suggestions {
    const names =
      'nodeIds' in wanted
        ? new Set(
            wanted.nodeIds.flatMap((id) => {
              const spot = this.#spots.at(id);
              return (spot?.workloads ?? []).map((name) => `${spot!.namespace}/${name}`);
            }),
          )
        : undefined;
    const { denied } = wanted;
    const isAsked = (line: Line): boolean =>
      denied?.fromId === line.fromSpot.id && denied.toId === line.toSpot.id && denied.port === portName(line);
    const traffic = denied
      ? this.#lines.filter(isAsked).flatMap((line) => line.traffic)
      : this.#lines.flatMap((line) => line.traffic);
    const answer = suggest(objects, traffic, {
      isWanted: ({ namespace, name }) =>
        names ? names.has(`${namespace}/${name}`) : 'namespace' in wanted && namespace === wanted.namespace,
      includeDenied: denied !== undefined,
      isAddition: denied !== undefined && 'nodeIds' in wanted && !this.#isolatesAnew(wanted.nodeIds, denied, cluster),
      includeUnanswered: false,
      minutes: this.#minutes,
      ...(this.data.shows && { shows: this.data.shows }),
      answeredNodes: new Set(
        this.data.histories.filter(({ failing }) => failing === undefined).map(({ node }) => node),
      ),
    });
    if (!denied) return answer;
    const suggestions = answer.suggestions.map((each) => ({ ...each, policy: narrow(each, denied, this.#spots) }));
    return { ...answer, suggestions };
  }

  /** Whether a policy that allows this would be the first to isolate its pods in that direction: then it must allow DNS too, to servers or from clients. */
  #isolatesAnew(
    ids: readonly string[],
    { fromId, toId }: Pick<DenialGroup, 'fromId' | 'toId'>,
    cluster: Cluster,
  ): boolean {
    const isOpenSpot = (id: string, direction: Direction): boolean =>
      ids.includes(id) && (this.#spots.at(id)?.pods.some(({ read }) => isOpen(cluster, read, direction)) ?? false);
    return isOpenSpot(fromId, 'egress') || isOpenSpot(toId, 'ingress');
  }

  withChange(change: WhatIf): ChangedAtlas {
    return new Changed(this, change);
  }
}

class Changed implements ChangedAtlas {
  readonly data: PageData;
  readonly notes: readonly string[];
  readonly timeline: readonly TimelineMinute[];
  readonly changes: readonly ObjectChange[];
  readonly issues: readonly string[];
  readonly #before: OpenAtlas;
  readonly #objects: readonly JsonObject[];
  readonly #after: Verdicts;

  constructor(before: OpenAtlas, { given, removed }: WhatIf) {
    this.#before = before;
    ({ data: this.data, notes: this.notes, timeline: this.timeline } = before);
    const keys = new Set(given.map(keyOf));
    // `applyDefaults` adds namespaces, too.
    const wanted = applyDefaults(given).objects.filter((object) => keys.has(keyOf(object)));
    const gone = new Set(removed);
    const deleted = deleteObjects(
      this.data.objects,
      this.data.objects.filter((object) => gone.has(keyOf(object))),
    );
    const applied = applyObjects(deleted.objects, wanted);
    this.#objects = applied.objects;
    this.changes = [...deleted.changes, ...applied.changes];
    const cluster: Cluster = prepareCluster(applied.objects, this.data.shows);
    this.#after = new Verdicts(cluster);
    const changed = new Set(this.changes.map(({ object }) => object));
    this.issues = cluster.issues
      .filter(({ object }) => changed.has(object))
      .map(({ object, path, message }) => `${object}: ${path}: ${message}`);
  }

  map(options: MapOptions = {}): PolicyMap {
    return this.#before.draw(this.#after, options);
  }

  explain(id: string, port: string): readonly ExplainedPair[] {
    return this.#before.explainWith(this.#after, id, port);
  }

  denials(options?: MapOptions): readonly DenialGroup[] {
    return this.#before.denials(options);
  }

  coverage(): readonly CoverageItem[] {
    return this.#before.coverageWith(this.#after);
  }

  suggest(wanted: WantedSuggestion): Suggestions {
    return this.#before.suggestFor(this.#objects, this.#after.cluster, wanted);
  }

  withChange(change: WhatIf): ChangedAtlas {
    return this.#before.withChange(change);
  }
}

function verdictsOf({ egress, ingress }: Decision): string {
  return `${egress.verdict} ${ingress.verdict}`;
}

/** Only the direction that was asked for: a policy that allows one connection must not isolate its pods in the other direction. */
function narrow(
  { policy, namespace, workloads }: Suggestion,
  { fromId, toId }: NonNullable<WantedSuggestion['denied']>,
  spots: Spots,
): JsonObject {
  const isOf = (id: string): boolean => {
    const spot = spots.at(id);
    return spot?.namespace === namespace && spot.workloads.some((name) => workloads.includes(name));
  };
  const { podSelector, ingress, egress } = objectAt(policy, 'spec');
  const [isReached, isOpener] = [isOf(toId), isOf(fromId)];
  const policyTypes = [...(isReached ? ['Ingress'] : []), ...(isOpener ? ['Egress'] : [])];
  return { ...policy, spec: { podSelector, policyTypes, ...(isReached && { ingress }), ...(isOpener && { egress }) } };
}

function drawTimeline({ histories }: PageData, traffic: readonly Traffic[]): TimelineMinute[] {
  if (histories.length === 0) return [];
  const last = Math.max(...histories.map(({ now }) => now));
  const first = Math.max(Math.min(...histories.map(({ since }) => since)), last - keptMinutes + 1);
  const minutes = Array.from({ length: last - first + 1 }, (_, index) => {
    return { minute: first + index, allowed: 0, unanswered: 0, denied: 0 };
  });
  for (const { verdict, minutes: counts } of traffic) {
    for (const [minute, count] of counts) {
      const entry = minutes[minute - first];
      if (entry) entry[verdict] += count;
    }
  }
  return minutes;
}

function nameOf(endpoint: Endpoint): string {
  if ('pod' in endpoint) return endpoint.pod;
  return 'node' in endpoint ? `node ${endpoint.node}` : endpoint.address;
}
