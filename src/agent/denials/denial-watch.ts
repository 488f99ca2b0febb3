import { setImmediate } from 'node:timers/promises';
import { takeTurns } from '../../lib/take-turns.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { RecordedDenial } from '../../compile/denials.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { DenialMetrics } from '../../telemetry/metrics/denials.ts';
import { DenialBook } from './denial-book.ts';
import type { DenialLook } from './denial-reader.ts';
import { DenialTally, type PodDenials } from './denial-tally.ts';
import {
  deniedAddress,
  describeDenials,
  subjectOf,
  type DescribedDenial,
  type Knowledge,
  type Subject,
} from './describe-denial.ts';

/** Whoever is told; where nobody is, nothing is described. */
export interface Listener {
  readonly wants: () => boolean;
  readonly log: (denial: DescribedDenial) => void;
  /** Tells the users of the pod's namespace, in words for them; at most one pod a look. */
  readonly announce: (denials: PodDenials) => void;
}

export interface DenialWatchOptions {
  readonly read: (signal: AbortSignal) => Promise<readonly DenialLook[]>;
  /** `undefined` as long as not all first lists are in. */
  readonly knowledge: () => Knowledge | undefined;
  /** The policies as written; `undefined` where they cannot be had now. */
  readonly texts: (ids: readonly PolicyId[], signal: AbortSignal) => Promise<readonly JsonObject[] | undefined>;
  readonly metrics: DenialMetrics;
  readonly listener: Listener;
  /** So many new connections that these policies have denied. */
  readonly attributed: (policies: readonly PolicyId[], connections: number) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** What a flood can cost beside the reading: so many are described and logged at a look, in turns of the pods that are denied, for so long. */
const mostDescribed = 50;
const describingMs = 500;

/** Denials of one subject in one direction. */
interface Group {
  readonly subject: Subject;
  readonly denials: readonly RecordedDenial[];
}

/** Tells of each connection that the kernel notes as denied, once in a minute: who, whom, by which policies, and what would have allowed it. */
export class DenialWatch {
  readonly #options: DenialWatchOptions;
  readonly #book = new DenialBook();
  readonly #tally = new DenialTally();
  #hasBegun = false;
  #described = 0;

  constructor(options: DenialWatchOptions) {
    this.#options = options;
  }

  /** What was denied before the first look is not told of: another agent has, and who had an address then is not known. Rejects where the kernel cannot be asked. */
  async look(signal: AbortSignal): Promise<void> {
    const { read, knowledge, metrics, listener, now } = this.#options;
    const looks = await read(signal);
    const news = looks.flatMap((look) => {
      const { direction, denied, noted } = look;
      const found = this.#book.news(look);
      if (!this.#hasBegun) return [];
      metrics.denied(direction, { packets: denied, unnoted: denied - noted, connections: found.length });
      return found;
    });
    this.#hasBegun = true;
    const known = knowledge();
    const groups = known ? this.#count(news, known) : [];
    if (!listener.wants()) return;
    const described = known ? await this.#describe(groups, known, signal) : 0;
    metrics.unlogged(news.length - described);
    if (!known) return;
    this.#tally.keep(known.isThere);
    const denials = this.#tally.next(now());
    if (denials) listener.announce(denials);
  }

  #count(news: readonly RecordedDenial[], known: Knowledge): Group[] {
    const { attributed, now } = this.#options;
    const groups = Map.groupBy(news, (each) => `${deniedAddress(each)} ${each.direction}`);
    return Array.from(groups.values(), (denials) => {
      const [first] = denials as [RecordedDenial];
      const subject = subjectOf(first, known);
      attributed(subject.isolating, denials.length);
      if (subject.pod !== undefined) this.#tally.count(subject.pod, first.direction, denials.length, now());
      return { subject, denials };
    });
  }

  /** How many. */
  async #describe(groups: readonly Group[], known: Knowledge, signal: AbortSignal): Promise<number> {
    const { texts, listener, now } = this.#options;
    // Of each group that has a turn the first is taken.
    const subjects = new Map(groups.map(({ subject, denials }) => [denials[0], subject] as const));
    const chosen = takeTurns(
      groups.map(({ denials }) => denials),
      mostDescribed,
      this.#described,
    );
    this.#described += mostDescribed;
    let [described, spent] = [0, 0];
    for (const denials of chosen) {
      if (spent > describingMs) break;
      const subject = subjects.get(denials[0])!;
      const written = subject.isolating.length > 0 ? await texts(subject.policies, signal) : undefined;
      const begun = now();
      for (const each of describeDenials(denials, subject, known, written, 'operators')) listener.log(each);
      if (subject.pod !== undefined) {
        const [namespace] = subject.pod.split('/', 1) as [string];
        const [last] = describeDenials(denials.slice(-1), subject, known, written, { namespace });
        this.#tally.describe(subject.pod, last!);
      }
      described += denials.length;
      spent += now() - begun;
      // Changes of rules do not wait for this.
      await setImmediate();
    }
    return described;
  }
}
