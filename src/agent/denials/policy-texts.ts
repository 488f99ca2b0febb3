import type { JsonObject } from '../../lib/json.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { ObjectVersion } from '../object-versions.ts';

interface Options {
  /** Reads the policy from the API server; `undefined` if it does not exist. */
  readonly get: (id: PolicyId, signal: AbortSignal) => Promise<JsonObject | undefined>;
  /** The version that the watch has received. */
  readonly versionOf: (id: PolicyId) => ObjectVersion | undefined;
  readonly failed: (error: unknown) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** The longest policy that is cached, and the limit of all together, in characters. Longer policies are not used. */
const longest = 100_000;
const mostKept = 4_000_000;
/** Denials of pods with more policies are not explained: each would have to evaluate all of them. */
const mostPolicies = 100;
/** New policies start to deny on all nodes at once. So a node sends this many requests at first, and then one a second. */
const mostAtOnce = 5;
const timeoutMs = 2000;
/** The pause after a failed request to the API server. */
const pauseMs = 30_000;

interface Known {
  readonly version: string;
  /** `undefined` if the policy is too long. */
  readonly text: JsonObject | 'none' | undefined;
  readonly length: number;
}

/** Caches policies as API objects. The agent stores only their meaning, so it reads a policy that denies something from the API server, once for each version. */
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

  /** Resolves with the policies that exist, or with `undefined` if some are not available now. */
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
