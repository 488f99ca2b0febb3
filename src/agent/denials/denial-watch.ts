import { setImmediate } from 'node:timers/promises';
import { takeTurns } from '../../lib/take-turns.ts';
import type { JsonObject } from '../../lib/json.ts';
import { deniedAddress, type RecordedDenial } from '../../compile/denials.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { DenialMetrics } from '../../telemetry/metrics/denials.ts';
import { DenialTracker } from './denial-tracker.ts';
import type { DenialLook } from './denial-reader.ts';
import { sizeOfObjects } from './policy-size.ts';
import { DenialTally, type PodDenials } from './denial-tally.ts';
import {
  blameFor,
  describeDenials,
  judgeDenial,
  subjectOf,
  type DescribedDenial,
  type Knowledge,
  type Subject,
} from './describe-denial.ts';

/** Receives described denials. */
export interface Listener {
  /** If it returns false, the watch describes no denials. */
  readonly wants: () => boolean;
  readonly log: (denial: DescribedDenial) => void;
  /** Reports a pod's denials to the users of its namespace; at most one pod for each look. */
  readonly announce: (denials: PodDenials) => void;
}

export interface DenialWatchOptions {
  readonly read: (signal: AbortSignal) => Promise<readonly DenialLook[]>;
  /** `undefined` until all first lists have arrived. */
  readonly knowledge: () => Knowledge | undefined;
  /** NetworkPolicies as API objects; `undefined` if they are not available now. */
  readonly texts: (ids: readonly PolicyId[], signal: AbortSignal) => Promise<readonly JsonObject[] | undefined>;
  readonly metrics: DenialMetrics;
  readonly listener: Listener;
  /** Called with the number of new connections that these policies denied. */
  readonly attributed: (policies: readonly PolicyId[], connections: number) => void;
  /** Receives new connections that policies in audit would deny. */
  readonly audited: (connections: readonly RecordedDenial[], known: Knowledge) => void;
  /** Receives each look at audits, also one without new connections. */
  readonly lookedAtAudits: (look: DenialLook) => void;
  /** Called with all denials that are new at a look. */
  readonly found: (denials: readonly RecordedDenial[]) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** Limits the cost of a flood: the watch describes and logs so many denials for each look, for at most so long. The denied pods take turns. */
const mostDescribed = 50;
const describingMs = 500;
/** Peers and ports that the watch compares with one described denial, and for the metrics of policies with all denials of a look: about 10 ms and 50 ms. */
const mostCompared = 200_000;
const mostCounted = 1_000_000;
/** Values of NetworkPolicies that the watch reads for all denials of a look: about 0.3 s. A tenant can write policies with half a million. */
const mostRead = 600_000;
/** Preparing the policies of a subject, once for operators and once for users, and the description for users cost as much as these denials. */
const fixedReadings = 4;

/** Denials of one subject in one direction. */
interface Group {
  readonly subject: Subject;
  readonly denials: readonly RecordedDenial[];
}

/** Reports each denied connection that the kernel records, once a minute: its ends, the policies, and what would have allowed it. */
export class DenialWatch {
  readonly #options: DenialWatchOptions;
  readonly #tracker = new DenialTracker();
  readonly #tally = new DenialTally();
  #hasBegun = false;
  #described = 0;

  constructor(options: DenialWatchOptions) {
    this.#options = options;
  }

  /**
   * Denials from before the first look are not reported: an earlier agent has reported them, and the owners of the addresses at that time are unknown.
   * Rejects if nft fails.
   */
  async look(signal: AbortSignal): Promise<void> {
    const { read, knowledge, metrics, listener, audited, lookedAtAudits, found: tell, now } = this.#options;
    const looks = await read(signal);
    const newDenials: RecordedDenial[] = [];
    const newAudits: RecordedDenial[] = [];
    for (const look of looks) {
      const { verdict, direction, denied, noted } = look;
      const found = this.#tracker.takeNew(look);
      if (!this.#hasBegun) continue;
      metrics.counted(verdict, direction, { packets: denied, unnoted: denied - noted, connections: found.length });
      if (verdict === 'audit') lookedAtAudits(look);
      (verdict === 'audit' ? newAudits : newDenials).push(...found);
    }
    this.#hasBegun = true;
    tell(newDenials);
    const known = knowledge();
    if (known && newAudits.length > 0) audited(newAudits, known);
    const groups = known ? this.#count(newDenials, known) : [];
    if (!listener.wants()) return;
    const described = known ? await this.#describe(groups, known, signal) : 0;
    metrics.unlogged(newDenials.length - described);
    if (!known) return;
    this.#tally.keep(known.isThere);
    const denials = this.#tally.next(now());
    if (denials) listener.announce(denials);
  }

  #count(denials: readonly RecordedDenial[], known: Knowledge): Group[] {
    const { attributed, now } = this.#options;
    const groups = Map.groupBy(denials, (each) => `${deniedAddress(each)} ${each.direction}`);
    return Array.from(groups.values(), (group) => {
      const [first] = group as [RecordedDenial];
      const subject = subjectOf(first, known);
      const budget = { left: mostCounted / groups.size };
      const blamed = group.map((each) => blameFor(judgeDenial(each, subject, known, budget), subject));
      for (const same of Map.groupBy(blamed, (ids) => ids.join(' ')).values()) attributed(same[0]!, same.length);
      if (subject.pod !== undefined) this.#tally.count(subject.pod, first.direction, group.length, now());
      return { subject, denials: group };
    });
  }

  /** Resolves with the number of described denials. */
  async #describe(groups: readonly Group[], known: Knowledge, signal: AbortSignal): Promise<number> {
    const { texts, listener, now } = this.#options;
    // takeTurns chooses the first denials of a group, so the first one identifies the group.
    const subjects = new Map(groups.map(({ subject, denials }) => [denials[0], subject] as const));
    const chosen = takeTurns(
      groups.map(({ denials }) => denials),
      mostDescribed,
      this.#described,
    );
    this.#described += mostDescribed;
    let [described, spent, left] = [0, 0, mostRead];
    for (const denials of chosen) {
      if (spent > describingMs) break;
      const subject = subjects.get(denials[0])!;
      const begun = now();
      const judged = denials.map((each) => judgeDenial(each, subject, known, { left: mostCompared }));
      const needsTexts = judged.some(({ deciding }) => deciding.by === 'network-policies');
      const ofPod = subject.policies.filter(({ tier }) => tier === 'NetworkPolicy').map(({ id }) => id);
      spent += now() - begun;
      const written = needsTexts ? await texts(ofPod, signal) : undefined;
      const resumed = now();
      const size = sizeOfObjects(written ?? []);
      const affordable = Math.min(judged.length, Math.floor(left / Math.max(1, size)) - fixedReadings);
      if (affordable > 0) left -= size * (affordable + fixedReadings);
      // The others get no near misses. Which policies isolate the pod is known without their texts.
      const parts = [
        { judged: judged.slice(0, Math.max(0, affordable)), written },
        { judged: judged.slice(Math.max(0, affordable)), written: undefined },
      ];
      for (const part of parts) {
        if (part.judged.length === 0) continue;
        for (const each of describeDenials(part.judged, subject, known, part.written, 'operators')) listener.log(each);
      }
      if (subject.pod !== undefined) {
        const [namespace] = subject.pod.split('/', 1) as [string];
        const own = affordable > 0 ? written : undefined;
        const [last] = describeDenials(judged.slice(-1), subject, known, own, { namespace });
        this.#tally.describe(subject.pod, last!);
      }
      described += denials.length;
      spent += now() - resumed;
      // Lets changes of rules run in between.
      await setImmediate();
    }
    return described;
  }
}
