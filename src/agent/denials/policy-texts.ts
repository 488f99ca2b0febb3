import type { JsonObject } from '../../lib/json.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { ObjectVersion } from '../object-versions.ts';

interface Options {
  /** As the API server has it now; `undefined`: there is none. */
  readonly get: (id: PolicyId, signal: AbortSignal) => Promise<JsonObject | undefined>;
  /** Which version of it is known. */
  readonly versionOf: (id: PolicyId) => ObjectVersion | undefined;
  readonly failed: (error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Longer ones are not kept, and so of no use; all together, in characters. */
const longest = 100_000;
const mostKept = 4_000_000;
/** Pods with more policies than that do without: each denial would have to look at all of them. */
const mostPolicies = 100;
/** New policies begin to deny on all nodes at once: a node asks so many together, and then one a second. */
const mostAtOnce = 5;
const timeoutMs = 2000;
/** An API server that does not answer is asked again after that. */
const pauseMs = 30_000;

interface Known {
  readonly version: string;
  /** `undefined`: too long. */
  readonly text: JsonObject | 'none' | undefined;
  readonly length: number;
}

/** Policies as they are written. The agent keeps only what they mean, so those that deny something are asked for, once for each version. */
export class PolicyTexts {
  readonly #options: Options;
  readonly #known = new Map<PolicyId, Known>();
  #length = 0;
  #mayAsk = mostAtOnce;
  #countedAt: number;
  #pausedUntil = -Infinity;

  constructor(options: Options) {
    this.#options = options;
    this.#countedAt = options.now();
  }

  /** Those that are there; `undefined` where not all of them can be had now. */
  async read(ids: readonly PolicyId[], signal: AbortSignal): Promise<JsonObject[] | undefined> {
    if (ids.length > mostPolicies) return undefined;
    const texts: JsonObject[] = [];
    let isWhole = true;
    for (const id of ids) {
      const text = await this.#read(id, signal);
      if (text === undefined) isWhole = false;
      else if (text !== 'none') texts.push(text);
    }
    return isWhole ? texts : undefined;
  }

  async #read(id: PolicyId, signal: AbortSignal): Promise<Known['text']> {
    const { get, versionOf, failed, now } = this.#options;
    const { uid, resourceVersion } = versionOf(id) ?? {};
    const version = `${uid} ${resourceVersion}`;
    const known = this.#known.get(id);
    if (known?.version === version) return known.text;
    if (now() < this.#pausedUntil || !this.#takeTurn()) return undefined;
    try {
      const text = await get(id, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      return this.#keep(id, version, text ?? 'none');
    } catch (error) {
      this.#pausedUntil = now() + pauseMs;
      if (!signal.aborted) failed(error);
      return undefined;
    }
  }

  #takeTurn(): boolean {
    const now = this.#options.now();
    this.#mayAsk = Math.min(mostAtOnce, this.#mayAsk + (now - this.#countedAt) / 1000);
    this.#countedAt = now;
    if (this.#mayAsk < 1) return false;
    this.#mayAsk--;
    return true;
  }

  #keep(id: PolicyId, version: string, text: JsonObject | 'none'): Known['text'] {
    const { length } = JSON.stringify(text);
    const known: Known = length > longest ? { version, text: undefined, length: 0 } : { version, text, length };
    if (this.#length + known.length > mostKept) this.#forgetAll();
    this.#length += known.length - (this.#known.get(id)?.length ?? 0);
    this.#known.set(id, known);
    return known.text;
  }

  #forgetAll(): void {
    this.#known.clear();
    this.#length = 0;
  }
}
