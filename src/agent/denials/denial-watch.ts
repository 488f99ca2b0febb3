import { takeTurns } from '../../lib/take-turns.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { NotedDenial } from '../../compile/denials.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { DenialMetrics } from '../../telemetry/metrics/denials.ts';
import { DenialBook } from './denial-book.ts';
import type { DenialLook } from './denial-reader.ts';
import { DenialTally, type PodDenials } from './denial-tally.ts';
import { deniedAddress, describeDenial, policiesOf, type DescribedDenial, type Knowledge } from './describe-denial.ts';

export interface DenialWatchOptions {
  readonly read: (signal: AbortSignal) => Promise<readonly DenialLook[]>;
  /** `undefined` as long as not all first lists are in. */
  readonly knowledge: () => Knowledge | undefined;
  /** The policies as written; `undefined` where they cannot be had now. */
  readonly texts: (ids: readonly PolicyId[], signal: AbortSignal) => Promise<readonly JsonObject[] | undefined>;
  readonly metrics: DenialMetrics;
  readonly log: (denial: DescribedDenial) => void;
  /** Tells the owner of a pod; at most one a look. */
  readonly announce: (denials: PodDenials) => void;
  /** New connections that these policies have denied. */
  readonly attributed: (policies: readonly PolicyId[]) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** What a flood can cost beside the reading: so many are described and logged at a look, in turns of the pods that are denied. */
const mostDescribed = 50;

/** Tells of each connection that the kernel notes as denied, once in a minute: who, whom, by which policies, and what would have allowed it. */
export class DenialWatch {
  readonly #options: DenialWatchOptions;
  readonly #book = new DenialBook();
  readonly #tally = new DenialTally();

  constructor(options: DenialWatchOptions) {
    this.#options = options;
  }

  /** Rejects where the kernel cannot be asked. */
  async look(signal: AbortSignal): Promise<void> {
    const { read, knowledge, metrics, now } = this.#options;
    if (!knowledge()) return;
    const news: NotedDenial[] = [];
    for (const { direction, denied, noted, denials } of await read(signal)) {
      const found = this.#book.news(direction, denials, now());
      metrics.denied(direction, { packets: denied, unnoted: denied - noted, connections: found.length });
      news.push(...found);
    }
    // The reading takes its time, and objects come and go.
    const known = knowledge();
    if (!known) return;
    for (const denial of news) this.#count(denial, known);
    const described = takeTurns(news, (each) => `${deniedAddress(each)} ${each.direction}`, mostDescribed);
    metrics.unlogged(news.length - described.length);
    for (const denial of described) await this.#describe(denial, known, signal);
    this.#tell(known);
  }

  #count(denial: NotedDenial, known: Knowledge): void {
    this.#options.attributed(policiesOf(denial, known).isolating);
    const pod = podAt(deniedAddress(denial), known);
    if (pod !== undefined) this.#tally.count(pod, denial.direction, 1);
  }

  async #describe(denial: NotedDenial, known: Knowledge, signal: AbortSignal): Promise<void> {
    const described = describeDenial(denial, known, await this.#options.texts(policiesOf(denial, known).all, signal));
    this.#options.log(described);
    const pod = podAt(deniedAddress(denial), known);
    if (pod !== undefined) this.#tally.count(pod, denial.direction, 0, described);
  }

  #tell({ isThere }: Knowledge): void {
    this.#tally.keep(isThere);
    const denials = this.#tally.next(this.#options.now());
    if (denials) this.#options.announce(denials);
  }
}

/** The one pod that has the address. */
function podAt(address: string, { ownersOf }: Knowledge): string | undefined {
  const [owner, ...others] = ownersOf(address).pods;
  return owner && others.length === 0 ? `${owner.pod.namespace}/${owner.pod.name}` : undefined;
}
