import { isJsonObject, listAt, textAt, type JsonObject } from '../../lib/json.ts';
import type { Issue } from '../../model/issue.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { timeText } from '../object-event.ts';
import type { ClusterPolicies, ClusterPolicy } from './cluster-policies.ts';
import { changeOf, wantedConditions, withConditions, type Change, type WantedCondition } from './conditions.ts';
import { NodeCoverage } from './coverage.ts';
import { dueOf, wait, type Waiting } from './due-writes.ts';
import { expiryMs, judgeLeadership, leadMs, nextLook, renewMs, type Sighting } from './election.ts';
import { markOf, readLease, withMarksOf, type NodeReport } from './held-report.ts';
import { isRefusal, microTime, type LeaseClient } from './lease-client.ts';
import type { StatusObserver } from './status-observer.ts';
import { findTies } from './ties.ts';
import { WriteBudget } from './write-budget.ts';
import { WriteHistory } from './write-history.ts';

interface Options {
  readonly node: string;
  readonly policies: ClusterPolicies;
  /** All nodes of the cluster by name. */
  readonly nodes: () => ReadonlyMap<string, { readonly uid: string }>;
  /** Whether the agent knows all objects of the cluster. */
  readonly isReady: () => boolean;
  readonly client: Pick<ApiClient, 'write'>;
  readonly leases: LeaseClient;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly wallTime: () => number;
  readonly random: () => number;
  /** Resolves in a later turn of the event loop: a long look must not hold up the agent. */
  readonly nextTurn: () => Promise<void>;
  /** Reports the policies whose order is open. Empty while another agent is elected. */
  readonly tied: (issues: ReadonlyMap<PolicyId, readonly Issue[]>) => void;
  readonly observer: StatusObserver;
}

/** A policy whose status is not as it should be. */
interface Differing {
  readonly policy: ClusterPolicy;
  readonly wanted: readonly WantedCondition[];
  readonly change: Change;
}

/** The Lease of the elected agent. A node's Lease has a dot in its name. */
export const leadLease = 'postern-status';

const idleMs = 5000;
const lookMs = 1000;
const quietMs = 3000;
/** Milliseconds between two searches for policies whose order is open. */
const tiesMs = 10_000;
const silenceMs = 15_000;
/** Policies that the agent looks at in one turn. */
const policiesPerTurn = 50;
/** The elected agent reads all reports so often: for a while after a policy has changed, and otherwise. In a large cluster, less often. */
const readMs = { active: 3000, quiet: 60_000 };
/** How long that is. In a large cluster, reports take longer to arrive. */
const activeMs = 120_000;

/**
 * Writes the status of ClusterNetworkPolicies while this agent is the elected one (S10.27 to S10.30). `look` does all that is due; nothing else runs. The
 * reconciler never waits for it.
 */
export class StatusWriter {
  readonly #options: Options;
  readonly #budget: WriteBudget;
  #seen: Sighting | undefined;
  /** While elected: the version of the Lease, and when the agent wrote it. */
  #lead: { readonly resourceVersion: string; readonly at: number } | undefined;
  #coverage = new NodeCoverage(new Map(), []);
  #readAt = -Infinity;
  /** The last change of a policy. */
  #changed = { count: -1, at: -Infinity };
  #waiting: ReadonlyMap<string, Waiting> = new Map();
  readonly #history = new WriteHistory();
  /** The last search for policies whose order is open. */
  #ties: { readonly changes: number; readonly at: number } | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#budget = new WriteBudget(options.now());
  }

  get isElected(): boolean {
    return this.#lead !== undefined && this.#options.now() - this.#lead.at < leadMs;
  }

  /** Resolves with the milliseconds until it wants to be called again. Rejects with an ApiError. */
  async look(): Promise<number> {
    const { policies, nodes, isReady, now } = this.#options;
    const { collection } = policies;
    // Without policies there is nothing to write, and no election.
    if (!isReady() || collection === undefined || policies.all.size === 0) {
      this.#resign();
      return idleMs;
    }
    const pause = await this.#elect();
    if (pause !== undefined) return pause;
    await this.#readReports();
    await this.#reportTies();
    const differing = await this.#compare();
    this.#history.keep(policies.all);
    this.#waiting = wait(this.#waiting, differing, now());
    for (const name of dueOf(this.#waiting, now())) {
      const { policy, wanted } = differing.get(name)!;
      // What has changed meanwhile is compared anew.
      if (policies.all.get(name) !== policy || !this.#history.mayWrite(policy, wanted, now())) continue;
      if (!this.isElected || !this.#budget.take(now(), nodes().size)) break;
      await this.#write(collection, policy, wanted);
    }
    return this.#waiting.size > 0 ? lookMs : quietMs;
  }

  /** Resolves with `undefined` if this agent is elected now, else with the pause before the next look. */
  async #elect(): Promise<number | undefined> {
    const { node, nodes, leases, now, wallTime, random } = this.#options;
    if (this.#lead && now() - this.#lead.at < renewMs) return undefined;
    if (this.isElected && (await this.#hold(this.#lead!.resourceVersion, false))) return undefined;
    this.#resign();
    const raw = await leases.get(leadLease);
    const resourceVersion = textAt(raw, 'metadata', 'resourceVersion') ?? '';
    const lease = raw && { holder: textAt(raw, 'spec', 'holderIdentity') ?? '', resourceVersion };
    const move = judgeLeadership(lease, { me: node, seen: this.#seen, now: now() });
    if (move !== 'wait' && (await this.#hold(lease?.resourceVersion, true))) return undefined;
    if (this.#seen?.resourceVersion !== resourceVersion) this.#seen = { resourceVersion, at: now() };
    const renewed = Date.parse(textAt(raw, 'spec', 'renewTime') ?? '');
    return nextLook(nodes().size, !(wallTime() - renewed < expiryMs), random());
  }

  /** Writes the Lease, if it still has this version, or if it does not exist. Resolves with whether that worked. */
  async #hold(resourceVersion: string | undefined, isNew: boolean): Promise<boolean> {
    const { node, leases, now, wallTime, observer } = this.#options;
    const [at, time] = [now(), microTime(wallTime())];
    const spec = { holderIdentity: node, leaseDurationSeconds: expiryMs / 1000, renewTime: time };
    const body = {
      metadata: { labels: { 'app.kubernetes.io/name': 'postern' }, ...(resourceVersion && { resourceVersion }) },
      spec: { ...spec, ...(isNew && { acquireTime: time }) },
    };
    try {
      const written = await (resourceVersion === undefined
        ? leases.create(leadLease, body)
        : leases.patch(leadLease, body));
      this.#lead = { resourceVersion: written, at };
      observer.wrote('lease', 'written');
      if (isNew) this.#begin();
      return true;
    } catch (error) {
      if (!isRefusal(error, 409) && !isRefusal(error, 404)) throw error;
      observer.wrote('lease', 'conflict');
      return false;
    }
  }

  #begin(): void {
    this.#changed = { count: -1, at: -Infinity };
    this.#readAt = -Infinity;
    this.#waiting = new Map();
    this.#ties = undefined;
    this.#options.observer.elected(true);
  }

  #resign(): void {
    if (!this.#lead) return;
    this.#lead = undefined;
    this.#options.tied(new Map());
    this.#options.observer.elected(false);
  }

  async #readReports(): Promise<void> {
    const { policies, leases, nodes, now } = this.#options;
    if (this.#changed.count !== policies.changes) this.#changed = { count: policies.changes, at: now() };
    const isActive = now() - this.#changed.at < Math.max(activeMs, nodes().size * 100);
    const pause = isActive ? Math.max(readMs.active, nodes().size * 10) : readMs.quiet;
    if (now() - this.#readAt < pause) return;
    const all = nodes();
    const known = new Set([...policies.all.values()].map(markOf));
    const reports: NodeReport[] = [];
    await leases.list((raw) => {
      const report = readLease(raw);
      // A forged report costs no more than one of a node.
      if (report && all.get(report.node)?.uid === report.nodeUid) reports.push(withMarksOf(report, known));
    });
    this.#coverage = new NodeCoverage(all, reports);
    this.#readAt = now();
  }

  async #reportTies(): Promise<void> {
    const { policies, tied, nextTurn, now } = this.#options;
    if (this.#ties?.changes === policies.changes || now() - (this.#ties?.at ?? -Infinity) < tiesMs) return;
    this.#ties = { changes: policies.changes, at: now() };
    const issues = new Map<PolicyId, readonly Issue[]>();
    let count = 0;
    for (const [id, issue] of findTies([...policies.all.values()].map(({ policy }) => policy))) {
      if (issue) issues.set(id, [issue]);
      if (++count % policiesPerTurn === 0) await nextTurn();
    }
    tied(issues);
  }

  /** The policies whose status is not as it should be. */
  async #compare(): Promise<ReadonlyMap<string, Differing>> {
    const differing = new Map<string, Differing>();
    let count = 0;
    for (const policy of [...this.#options.policies.all.values()]) {
      const { conditions } = policy;
      if (!conditions) {
        this.#leaveOut(policy);
        continue;
      }
      const wanted = wantedConditions(policy, this.#coverage.of(policy));
      const change = changeOf(conditions, wanted);
      if (change) differing.set(policy.name, { policy, wanted, change });
      if (++count % policiesPerTurn === 0) await this.#options.nextTurn();
    }
    return differing;
  }

  /** A status that is too large to keep is not written. */
  #leaveOut(policy: ClusterPolicy): void {
    const { now, observer } = this.#options;
    if (!this.#history.mayWrite(policy, [], now())) return;
    this.#history.failed(policy, [], 'refused', now());
    observer.refused(policy.name, new Error('its conditions are too many to keep: remove those of other programs'));
  }

  /** Writes the status of the version that the agent knows. A newer version refuses it, and the agent looks again when its watch has delivered that one. */
  async #write(path: string, policy: ClusterPolicy, wanted: readonly WantedCondition[]): Promise<void> {
    const { client, policies, signal, now, wallTime, observer } = this.#options;
    const { name, resourceVersion } = policy;
    const conditions = withConditions(policy.conditions ?? [], wanted, timeText(wallTime()));
    try {
      const body = { metadata: { resourceVersion }, status: { conditions } };
      const options = { signal, silenceMs };
      const written = await client.write('merge', `${path}/${encodeURIComponent(name)}/status`, body, options);
      policies.wrote(policy, textAt(written, 'metadata', 'resourceVersion') ?? '', conditionsOf(written));
      this.#history.wrote(policy, wanted, now());
      observer.wrote('status', 'written');
    } catch (error) {
      const result = refusalOf(error);
      // An admission rule may fail for one policy alone: the next look goes on with the others.
      this.#history.failed(policy, wanted, result ?? 'failed', now());
      if (result === undefined) throw error;
      observer.wrote('status', result);
      if (result === 'refused') observer.refused(name, error);
    }
  }
}

/** A refusal of this one status; `undefined` for what would stop every write. */
function refusalOf(error: unknown): 'conflict' | 'gone' | 'refused' | undefined {
  if (!(error instanceof ApiError) || error.code !== 'refused') return undefined;
  const { status = 0 } = error;
  if (status === 409) return 'conflict';
  if (status === 404) return 'gone';
  return [400, 413, 415, 422].includes(status) ? 'refused' : undefined;
}

function conditionsOf(written: unknown): readonly JsonObject[] {
  return listAt(written, 'status', 'conditions').filter(isJsonObject);
}
