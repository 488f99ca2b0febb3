import type { JsonObject } from '../../lib/json.ts';
import type { PolicyId } from '../../model/policy.ts';
import type { ObjectVersion } from '../census.ts';

interface Options {
  /** As the API server has it now; `undefined`: there is none. */
  readonly get: (id: PolicyId, signal: AbortSignal) => Promise<JsonObject | undefined>;
  /** Which version of it is known. */
  readonly versionOf: (id: PolicyId) => ObjectVersion | undefined;
  readonly failed: (error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const remembered = 500;
const timeoutMs = 2000;
/** An API server that does not answer is asked again after that. */
const pauseMs = 30_000;

/** Policies as they are written. The agent keeps only what they mean, so those that deny something are asked for, once for each version. */
export class PolicyTexts {
  readonly #options: Options;
  readonly #texts = new Map<string, JsonObject | undefined>();
  #pausedUntil = -Infinity;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Those that are there; `undefined` where it is not known of all whether they are. */
  async read(ids: Iterable<PolicyId>, signal: AbortSignal): Promise<JsonObject[] | undefined> {
    const texts: JsonObject[] = [];
    for (const id of ids) {
      const version = this.#options.versionOf(id);
      const key = [id, version?.uid, version?.resourceVersion].join(' ');
      if (!this.#texts.has(key) && !(await this.#ask(id, key, signal))) return undefined;
      const text = this.#texts.get(key);
      if (text) texts.push(text);
    }
    return texts;
  }

  async #ask(id: PolicyId, key: string, signal: AbortSignal): Promise<boolean> {
    const { get, failed, now } = this.#options;
    if (now() < this.#pausedUntil) return false;
    try {
      const text = await get(id, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      if (this.#texts.size >= remembered) this.#texts.clear();
      this.#texts.set(key, text);
      return true;
    } catch (error) {
      this.#pausedUntil = now() + pauseMs;
      if (!signal.aborted) failed(error);
      return false;
    }
  }
}
