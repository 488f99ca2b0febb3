import { elementsIn, type Ruleset } from '../nftables/ruleset.ts';
import { NftError } from '../apply/nft-error.ts';
import type { Compiled } from '../compile/compile.ts';
import type { LimitedNames } from '../compile/ingress-names.ts';
import type { Oversize } from '../compile/left-out.ts';
import { messageOf } from '../lib/message-of.ts';
import { plural } from '../lib/plural.ts';
import type { ObjectKey, ResourceEvent, ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { StateOfIssue } from '../model/node-state.ts';
import type { Direction, PolicyId } from '../model/policy.ts';
import type { PodKey, Snapshot } from '../model/snapshot.ts';
import { foreignNames } from '../nftables/foreign.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics/all.ts';
import type { WatchObserver } from '../watch/watch.ts';
import { systemClock } from './clock.ts';
import type { Flush } from './connection-flusher.ts';
import { IssueTracker } from './issue-tracker.ts';
import { describeLeftOut, policyObject } from './policy-object.ts';
import type { AppliedRun, ReconcilerEvents } from './reconciler.ts';

/** Prefixes of the tracker's names for issues that do not come from one object alone. */
const addressIssueNames = 'addresses of ';
const oversizedNames = 'size of ';
const unenforceableNames = 'network of ';
const unflushedNames = 'connections of ';
const tiedNames = 'priority of ';
const limitedNames = 'port names of ';
/** Addresses in one log line. */
const maxLoggedAddresses = 10;

/** S9.12, S9.13 */
function oversizedIssues(oversized: ReadonlyMap<PolicyId, Oversize>): Map<PolicyId, Issue[]> {
  return new Map(
    oversized.entries().map(([id, oversize]) => {
      const effect = oversize.isAudit ? 'it is in audit, and its audit is left out' : describeLeftOut(id);
      const message = `${whyOversized(oversize)}: ${effect}. Use fewer peers, ipBlocks and ports, selectors that match fewer pods, and port numbers instead of names`;
      return [
        id,
        [{ code: 'too-large', path: 'spec', message, effect: oversize.isAudit ? 'ignored' : 'failed-closed' }],
      ];
    }),
  );
}

function whyOversized({ of, own, cost, budget }: Oversize): string {
  // Two significant digits: an exact number would change with each pod, and each change would be a new issue.
  const [mine, theirs, allowed] = [own, cost, budget].map((each) => `about ${Number(each.toPrecision(2))}`);
  switch (of) {
    case 'policy':
      return `costs this node ${mine} units, but one policy may cost ${budget}`;
    case 'namespace':
      return `costs this node ${mine} units and is among the largest policies of its namespace, which together cost ${theirs} but may cost ${Math.floor(budget)}`;
    case 'groups':
      return `has ${plural(own, 'selector')} and is among the policies of its namespace with the most: finding the pods that they match costs this node more than the namespace's share, ${allowed} units`;
  }
}

const unknownNumbers: Readonly<Record<Direction, string>> = {
  ingress: 'pods of this node declare more combinations of port numbers than the node can tell apart. On the others',
  egress: 'pods declare more than 64 numbers under a port name of a rule. Towards those with others',
};

/** S10.17 */
function limitedIssues(limited: LimitedNames): Map<PolicyId, Issue[]> {
  return new Map(
    limited.entries().map(([id, of]) => [
      id,
      of.map((direction): Issue => {
        const message = `${unknownNumbers[direction]}, no Accept by a port name matches, and a Deny or Pass by one denies all ports of the protocol. Use port numbers in place of names, or fewer different numbers`;
        return { code: 'unknown-port-numbers', path: `spec.${direction}`, message, effect: 'failed-closed' };
      }),
    ]),
  );
}

/** S5.17 */
function unflushedIssues(denied: ReadonlySet<string>, localPods: Snapshot['localPods']): Map<PodKey, Issue[]> {
  const issues = new Map<PodKey, Issue[]>();
  for (const [key, { addresses }] of localPods) {
    const ofPod = addresses.filter((address) => denied.has(address));
    if (ofPod.length === 0) continue;
    const message = `${ofPod.join(' and ')} had another pod before, and the agent could not delete that pod's connections yet: the pod can neither send nor receive there until this succeeds`;
    issues.set(key, [{ code: 'unflushed-address', path: 'status.podIPs', message, effect: 'failed-closed' }]);
  }
  return issues;
}

/** The object of a tracker's name. */
function ownerOf(name: string): Pick<StateOfIssue, 'kind' | 'object'> {
  const prefix = [addressIssueNames, unenforceableNames, unflushedNames].find((each) => name.startsWith(each));
  // A pod's key ends with its uid.
  if (prefix !== undefined) return { kind: 'pod', object: name.slice(prefix.length).split('/', 2).join('/') };
  const ofPolicy = [oversizedNames, tiedNames, limitedNames].find((each) => name.startsWith(each));
  if (ofPolicy !== undefined) return { kind: 'policy', object: name.slice(ofPolicy.length) };
  const [resource = '', object = ''] = name.split(' ', 2);
  const kinds: Readonly<Record<string, StateOfIssue['kind']>> = {
    pods: 'pod',
    networkpolicies: 'policy',
    clusternetworkpolicies: 'policy',
  };
  const id = resource === 'clusternetworkpolicies' ? `/${object}` : object;
  return { kind: kinds[resource] ?? 'other', object: kinds[resource] ? id : name };
}

interface ReporterOptions {
  readonly node: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly ready: Checks;
  /** Creates an Event of the object, unless it exists. */
  readonly announce: (resource: ResourceName, key: ObjectKey, issue: Issue) => void;
}

/** The state that is in force now. */
export interface InForce {
  readonly snapshot: () => Snapshot;
  readonly issues: Pipeline['issues'];
  readonly refusedPolicies: number;
}

/** Reports what other rooms emit as log lines, metrics, readiness and Events. It decides nothing. */
export class Reporter {
  readonly #node: string;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #ready: Checks;
  readonly #announce: ReporterOptions['announce'];
  readonly #issues = new IssueTracker();
  /** What the agent found in the kernel at start, until the first run shows whether it had to change. */
  #found: 'nothing' | 'table' | 'leftovers' | undefined;
  #unlisted: ReadonlySet<ResourceName> = new Set();
  /** When the API server last sent anything. */
  readonly #contacts = new Map<ResourceName, number>();
  /** Resource whose list was empty → number of objects that stay in force. */
  readonly #held = new Map<ResourceName, number>();
  #programmed: ReadonlySet<string> = new Set();
  /** The result whose sizes the metrics show. */
  #reported: Compiled | undefined;

  constructor({ node, logger, metrics, ready, announce }: ReporterOptions) {
    this.#node = node;
    this.#logger = logger;
    this.#metrics = metrics;
    this.#ready = ready;
    this.#announce = announce;
    metrics.issues.issues(() => this.#issues.counts());
  }

  /** The current issues of objects. */
  get issues(): StateOfIssue[] {
    return Array.from(this.#issues.all(), ([name, issue]) => ({ ...ownerOf(name), ...issue }));
  }

  /** Seconds since the API server last sent anything for the resource that has waited longest; `undefined` before the first answer. */
  get silentSeconds(): number | undefined {
    if (this.#contacts.size === 0) return undefined;
    return Math.round((systemClock.now() - Math.min(...this.#contacts.values())) / 1000);
  }

  received(event: ResourceEvent): void {
    if (event.op !== 'synced') this.#metrics.watch.event(event.resource, event.op);
    const newIssues = this.#issues.receive(event);
    if (event.op !== 'upsert') return;
    const { resource, key, value } = event;
    for (const issue of newIssues) this.#logger.warn({ resource, object: key, ...issue }, issue.message);
    // The agents of other nodes report the pods there.
    const isElsewhere = value.kind === 'Pod' && value.nodeName !== undefined && value.nodeName !== this.#node;
    if (!isElsewhere) for (const issue of event.issues) this.#announce(resource, key, issue);
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
      const foreign = ruleset ? foreignNames(ruleset) : [];
      if (foreign.length > 0)
        this.#logger.warn(
          { foreign },
          "Postern's tables contain objects of another program; the agent writes them anew",
        );
      this.#found = ruleset === undefined ? 'nothing' : swept.stages.length > 0 ? 'leftovers' : 'table';
      const operations = swept.stages.flatMap((stage) => stage.operations).length;
      const sizes = ruleset ? { ...objectsIn(ruleset), swept: operations } : {};
      this.#logger.info({ found: this.#found, ...sizes }, "read Postern's tables");
    },
    drifted: (family) => {
      this.#metrics.apply.drift();
      const drift = "another program changed one of Postern's tables; the agent is restoring it";
      this.#ready.report('rules', drift);
      this.#logger.error({ table: `${family} postern` }, drift);
    },
    refused: (policy, error) => {
      const isLate = error instanceof NftError && error.code === 'timeout';
      this.#metrics.apply.error(isLate ? 'timeout' : 'refused');
      const message = isLate
        ? `nft does not finish a change in time, and this policy is among the largest in it: ${describeLeftOut(policy.id)}. The agent tries again later, and when the policy changes. Use fewer peers, ipBlocks and ports`
        : `the kernel refuses this policy: ${describeLeftOut(policy.id)}. The agent tries again later, and when the policy changes`;
      const issue: Issue = { code: 'refused-by-kernel', path: 'spec', message, effect: 'failed-closed' };
      this.#logger.error({ policy: policy.id, code: issue.code, err: error }, issue.message);
      const { resource, key } = policyObject(policy.id);
      this.#announce(resource, key, issue);
    },
    accepted: (policy) => {
      this.#logger.info({ policy: policy.id }, 'the kernel accepts this policy now: its rules are programmed again');
    },
    failed: (error, retryIn) => {
      this.#metrics.apply.error(error instanceof NftError ? error.code : 'failed');
      const reason = messageOf(error);
      this.#ready.report('rules', `the last change could not be applied: ${reason}`);
      this.#logger.error(
        { err: error, retryIn: retryIn / 1000 },
        'could not apply a change; the rules in the kernel stay as they are',
      );
    },
  };

  /** A flush of connections ended (S5.17). With an error, some of them may be left, and their addresses stay denied. */
  flushed({ addresses, denied, error }: Flush, localPods: Snapshot['localPods']): void {
    this.#reportIssues(unflushedNames, error === undefined ? new Map() : unflushedIssues(denied, localPods), 'pod');
    if (error === undefined) {
      this.#ready.report('connections', undefined);
      this.#logger.debug({ addresses }, 'deleted the connections of pods that have gone');
      return;
    }
    this.#metrics.apply.connectionFlushFailure();
    const reason = messageOf(error);
    this.#ready.report(
      'connections',
      `addresses of pods that have gone stay denied until the agent can delete their connections: ${reason}`,
    );
    this.#logger.warn(
      { addresses: addresses.slice(0, maxLoggedAddresses), count: addresses.length, err: error },
      'could not delete the connections of pods that have gone: new pods with the same addresses stay denied until that succeeds',
    );
  }

  applied({ plan, receivedAt }: AppliedRun, { snapshot, issues, refusedPolicies }: InForce): void {
    if (this.#found !== undefined) {
      // Each start leaves the flow sets of before, and empties them (S7.14).
      const unchanged =
        this.#found === 'table' && plan.stages.every(({ name }) => name === 'forget' || name === 'delete');
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
    if (plan.compiled !== this.#reported) {
      this.#reported = plan.compiled;
      this.#reportSizes(plan, snapshot);
      this.#reportIssues(oversizedNames, oversizedIssues(plan.compiled.oversized), 'policy');
      this.#reportIssues(limitedNames, limitedIssues(plan.compiled.limitedNames), 'policy');
    }
    this.#reportIssues(addressIssueNames, issues, 'pod');
  }

  /** Reports all pods for which this node cannot enforce policies or the guard. */
  unenforceable(pods: ReadonlyMap<string, readonly Issue[]>): void {
    this.#reportIssues(unenforceableNames, pods, 'pod');
  }

  /** Reports all ClusterNetworkPolicies of which the order is open (S10.32). */
  tied(policies: ReadonlyMap<PolicyId, readonly Issue[]>): void {
    this.#reportIssues(tiedNames, policies, 'policy');
  }

  /** What it sets counts only when somebody reads the metrics. It must not hold the plan, whose stages have all elements at first. */
  #reportSizes({ result, compiled }: AppliedRun['plan'], snapshot: () => Snapshot): void {
    const { counts, localAddresses } = compiled;
    this.#metrics.apply.sizes(() => ({ ...objectsIn(result), classes: counts.classes, elements: elementsIn(result) }));
    this.#metrics.snapshot.sizes(() => {
      const { localPods, policies, groups } = snapshot();
      const members = groups.values().reduce((sum, group) => sum + group.members.size, 0);
      return { localPods: localPods.size, policies: policies.size, groups: groups.size, members };
    });
    this.#programmed = localAddresses;
    this.#metrics.snapshot.unprogrammed(() => this.#countUnprogrammed(snapshot().localPods));
  }

  /** Counts local pods without an address, or with one that is not in the kernel's rules yet (S7.6). */
  #countUnprogrammed(localPods: Snapshot['localPods']): number {
    let count = 0;
    for (const { addresses } of localPods.values()) {
      if (addresses.length === 0 || !addresses.every((address) => this.#programmed.has(address))) count++;
    }
    return count;
  }

  /** Replaces all issues of one prefix. They depend on more than one object. */
  #reportIssues(prefix: string, found: ReadonlyMap<string, readonly Issue[]>, kind: 'pod' | 'policy'): void {
    this.#issues.retain((name) => !name.startsWith(prefix) || found.has(name.slice(prefix.length)));
    for (const [key, issues] of found) {
      for (const issue of this.#issues.set(prefix + key, issues)) {
        this.#logger.warn({ [kind]: key, ...issue }, issue.message);
      }
      // A pod's key ends with its uid.
      const of =
        kind === 'policy' ? policyObject(key) : ({ resource: 'pods', key: key.split('/', 2).join('/') } as const);
      for (const issue of issues) this.#announce(of.resource, of.key, issue);
    }
  }

  #emptied(resource: ResourceName, what: 'held' | 'accepted' | 'recovered', known: number): void {
    this.#metrics.watch.held(resource, what === 'held' ? known : 0);
    if (what === 'held') {
      const isNews = !this.#held.has(resource);
      this.#held.set(resource, known);
      const message = this.#heldMessage(resource, known);
      if (isNews) this.#logger.error({ resource, objects: known, code: 'empty-list' }, message);
      this.#announce('nodes', this.#node, { code: 'empty-list', path: resource, message, effect: 'ignored' });
    } else {
      this.#held.delete(resource);
      const ended =
        what === 'recovered'
          ? `the API server lists ${resource} again after empty lists`
          : `the API server has listed no ${resource} for 30 s: the agent treats them as deleted`;
      this.#logger.warn({ resource, objects: known }, ended);
    }
    this.reportLists();
  }

  /** Before the first list, the number comes from the node's rules or saved state, so it is a minimum. */
  #heldMessage(resource: ResourceName, known: number): string {
    const kept = this.#unlisted.has(resource)
      ? `but this node knew at least ${known} before the agent started: the rules stay unchanged`
      : `but there were ${known}: they stay in force`;
    return `the API server lists no ${resource}, ${kept} until the list has been empty for 30 s. If nobody deleted them, check the API server's data store`;
  }

  /** @param path of the collection; `undefined` if the API server does not have the resource */
  served(resource: ResourceName, path: string | undefined): void {
    if (path === undefined)
      this.#logger.info({ resource }, 'the API server does not serve this resource: there are no such policies');
    else this.#logger.info({ resource, path }, 'the API server serves this resource');
  }

  /** @param unlisted resources whose first list has not arrived yet */
  reportLists(unlisted: ReadonlySet<ResourceName> = this.#unlisted): void {
    this.#unlisted = unlisted;
    const held = Array.from(this.#held, ([resource, known]) => this.#heldMessage(resource, known)).join('; ');
    const waiting = `waiting for the first list of ${[...unlisted].join(', ')}`;
    if (unlisted.size > 0) this.#ready.report('lists', held === '' ? waiting : `${waiting}; ${held}`);
    else if (held !== '') this.#ready.note('lists', held);
    else this.#ready.report('lists', undefined);
  }

  readonly watches: WatchObserver = {
    contact: (resource) => {
      this.#contacts.set(resource, systemClock.now());
      this.#metrics.watch.contact(resource);
    },
    listed: (resource, kind, objects) => {
      this.#metrics.watch.listed(resource, kind);
      this.#logger.info({ resource, kind, objects }, 'listed');
    },
    emptied: (resource, what, known) => this.#emptied(resource, what, known),
    interrupted: (resource, error) => {
      this.#metrics.watch.interrupted(resource, error?.code ?? 'closed');
      if (error)
        this.#logger.warn({ resource, err: error }, 'the watch was interrupted; the last known state stays in force');
    },
    skipped: (resource, message) => {
      this.#metrics.watch.skipped(resource);
      this.#logger.warn({ resource }, `skipped an item that is not an object of this resource: ${message}`);
    },
  };
}

function objectsIn(ruleset: Ruleset): { sets: number; maps: number; chains: number } {
  const sum = (kind: 'sets' | 'maps' | 'chains'): number =>
    Object.values(ruleset).reduce((total, table) => total + table[kind].size, 0);
  return { sets: sum('sets'), maps: sum('maps'), chains: sum('chains') };
}
