import { NftError } from '../apply/nft-error.ts';
import type { ResourceEvent } from '../model/cluster.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics/all.ts';
import type { WatchObserver } from '../watch/watch.ts';
import { systemClock } from './clock.ts';
import { IssueBook } from './issue-book.ts';
import type { AppliedRun, ReconcilerEvents } from './reconciler.ts';

/** Issues that only the whole cluster shows are booked under this and the pod: addresses that two pods claim, or a node has. */
const addressIssues = 'addresses of ';

/** Turns what the rooms tell into log lines, metrics and readiness. Decides nothing. */
export class Reporter {
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #ready: Checks;
  readonly #issues = new IssueBook();
  /** What was found in the kernel, until it is known whether it was what it should be. */
  #found: 'nothing' | 'table' | 'leftovers' | undefined;
  #programmed: ReadonlySet<string> = new Set();

  constructor(logger: Logger, metrics: Metrics, ready: Checks) {
    this.#logger = logger;
    this.#metrics = metrics;
    this.#ready = ready;
  }

  received(event: ResourceEvent): void {
    if (event.op !== 'synced') this.#metrics.watch.event(event.resource, event.op);
    for (const issue of this.#issues.receive(event)) {
      if (event.op === 'upsert')
        this.#logger.warn({ resource: event.resource, object: event.key, ...issue }, issue.message);
    }
  }

  readonly reconciler: Omit<ReconcilerEvents, 'applied'> = {
    stageDone: (stage, operations, seconds) => {
      this.#metrics.apply.stage(stage, seconds);
      for (const [verb, group] of Map.groupBy(operations, (each) => each.verb)) {
        this.#metrics.apply.operations(verb, group.length);
      }
      this.#logger.debug({ stage, operations: operations.length, seconds }, 'stage applied');
    },
    adopted: (ruleset, swept) => {
      this.#found = ruleset === undefined ? 'nothing' : swept.stages.length > 0 ? 'leftovers' : 'table';
      const operations = swept.stages.flatMap((stage) => stage.operations).length;
      const sizes = ruleset ? { sets: ruleset.sets.size, chains: ruleset.chains.size, swept: operations } : {};
      this.#logger.info({ found: this.#found, ...sizes }, 'read our table');
    },
    refused: (policy, error) => {
      this.#metrics.apply.error('refused');
      const message = 'the kernel refuses this policy: its pods stay isolated, without its allows, until it is changed';
      this.#logger.error({ policy: policy.id, code: 'refused-by-kernel', err: error }, message);
    },
    failed: (error, retryIn) => {
      this.#metrics.apply.error(error instanceof NftError ? error.code : 'failed');
      const reason = error instanceof Error ? error.message : String(error);
      this.#ready.report('rules', `the last change could not be applied: ${reason}`);
      this.#logger.error({ err: error, retryIn: retryIn / 1000 }, 'could not apply a change; the last good rules stay');
    },
  };

  applied({ plan, receivedAt }: AppliedRun, pipeline: Pipeline, refusedPolicies: number): void {
    this.#ready.report('rules', undefined);
    if (this.#found !== undefined) {
      const unchanged = this.#found === 'table' && plan.stages.length === 0;
      this.#metrics.apply.adopted(this.#found === 'nothing' ? 'fresh' : unchanged ? 'unchanged' : 'changed');
      this.#found = undefined;
    }
    if (plan.stages.length > 0) {
      const now = systemClock.now();
      for (const time of receivedAt) this.#metrics.apply.eventToKernel((now - time) / 1000);
      const operations = plan.stages.flatMap((stage) => stage.operations).length;
      const stages = plan.stages.map(({ name }) => name).join(', ');
      this.#logger.info({ revision: plan.compiled.revision, stages, operations, ...plan.compiled.counts }, 'applied');
    }
    this.#metrics.issues.refusedPolicies(refusedPolicies);
    this.#reportSizes(plan, pipeline);
    this.#reportAddressIssues(pipeline);
  }

  #reportSizes(plan: AppliedRun['plan'], pipeline: Pipeline): void {
    const { sets, maps, chains } = plan.result;
    let elements = 0;
    for (const each of [...sets.values(), ...maps.values()]) elements += each.elements.size;
    const { classes } = plan.compiled.counts;
    this.#metrics.apply.sizes({ sets: sets.size, maps: maps.size, chains: chains.size, classes, elements });
    const { localPods, policies, groups } = pipeline.snapshot;
    let members = 0;
    for (const group of groups.values()) members += group.members.size;
    this.#metrics.snapshot.sizes({ localPods: localPods.size, policies: policies.size, groups: groups.size, members });
    this.#programmed = new Set(localPods.values().flatMap((pod) => pod.addresses));
    this.#metrics.snapshot.unprogrammed(() => this.#countUnprogrammed(pipeline));
  }

  /** S7.6: local pods that have no address yet, or one that is not in the kernel's rules yet. */
  #countUnprogrammed(pipeline: Pipeline): number {
    let count = 0;
    for (const { addresses } of pipeline.snapshot.localPods.values()) {
      if (addresses.length === 0 || !addresses.every((address) => this.#programmed.has(address))) count++;
    }
    return count;
  }

  #reportAddressIssues(pipeline: Pipeline): void {
    const found = pipeline.issues;
    this.#issues.retain((name) => !name.startsWith(addressIssues) || found.has(name.slice(addressIssues.length)));
    for (const [key, issues] of found) {
      for (const issue of this.#issues.set(addressIssues + key, issues)) {
        this.#logger.warn({ pod: key, ...issue }, issue.message);
      }
    }
    this.#metrics.issues.issues(this.#issues.counts());
  }

  readonly watches: WatchObserver = {
    contact: (resource) => this.#metrics.watch.contact(resource),
    listed: (resource, kind, objects) => {
      this.#metrics.watch.listed(resource, kind);
      this.#logger.info({ resource, kind, objects }, 'listed');
    },
    interrupted: (resource, error) => {
      this.#metrics.watch.interrupted(resource, error?.code ?? 'closed');
      if (error)
        this.#logger.warn({ resource, err: error }, 'the watch was interrupted; the last known state stays in force');
    },
    skipped: (resource, message) => {
      this.#metrics.watch.skipped(resource);
      this.#logger.warn({ resource }, `skipped something that is no object: ${message}`);
    },
  };
}
