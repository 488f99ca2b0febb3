import type { Policy, PolicyId } from '../model/policy.ts';

/** Milliseconds until a refused policy is tried again: doubled at each refusal. */
const firstRetry = 10_000;
const lastRetry = 600_000;

interface Refusal {
  readonly policy: Policy;
  readonly retryAt: number;
  readonly delay: number;
}

/** The policies that the kernel did not take (S9.10, S7.17). A changed policy is a new one, and tried at once. */
export class Refusals {
  readonly #refusals = new Map<PolicyId, Refusal>();

  add(policy: Policy, now: number): void {
    const known = this.#refusals.get(policy.id);
    const delay = known?.policy === policy ? Math.min(known.delay * 2, lastRetry) : firstRetry;
    this.#refusals.set(policy.id, { policy, delay, retryAt: now + delay });
  }

  delete(id: PolicyId): void {
    this.#refusals.delete(id);
  }

  /** Forgets what has been changed or is no longer in force. */
  keepCurrent(policies: ReadonlyMap<PolicyId, Policy>): void {
    for (const [id, { policy }] of this.#refusals) if (policies.get(id) !== policy) this.#refusals.delete(id);
  }

  get ids(): ReadonlySet<PolicyId> {
    return new Set(this.#refusals.keys());
  }

  due(now: number): Policy[] {
    return [...this.#refusals.values()].filter(({ retryAt }) => retryAt <= now).map(({ policy }) => policy);
  }

  /** When the next one is due; `undefined` if none is refused. */
  get nextRetry(): number | undefined {
    const times = [...this.#refusals.values()].map(({ retryAt }) => retryAt);
    return times.length > 0 ? Math.min(...times) : undefined;
  }
}

export type Finding<T> =
  | { readonly kind: 'culprit'; readonly culprit: T }
  /** The change is taken as it is: it was not to blame. */
  | { readonly kind: 'accepted' }
  /** The change is not taken even without all candidates: none of them is to blame. */
  | { readonly kind: 'refused' };

/**
 * Why a change was refused, in at most log2(n) + 2 questions for n > 1: the candidate with which it is refused, and taken without
 * it and those before it. A kernel that was busy for a moment refuses too. So a candidate is blamed only for a refusal that came
 * after the change was taken without it. Where several are to blame, the others show at the next try. `isStale` says whether early
 * answers may no longer hold: then both are asked for again, so that nobody is blamed for what has changed meanwhile.
 */
export async function findCulprit<T>(
  candidates: readonly T[],
  accepts: (without: ReadonlySet<T>) => Promise<boolean>,
  isStale: () => boolean = () => false,
): Promise<Finding<T>> {
  const acceptsWithoutFirst = (count: number): Promise<boolean> => accepts(new Set(candidates.slice(0, count)));
  // Refused without the first `low`, taken without the first `high`. At the two ends this is a guess, and checked only if it stays.
  let low = 0;
  let high = candidates.length;
  // Whether the refusal is the later of the two answers.
  let isConfirmed = false;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const isAccepted = await acceptsWithoutFirst(middle);
    if (isAccepted) high = middle;
    else low = middle;
    isConfirmed = !isAccepted && high < candidates.length;
  }
  const mayBeStale = isStale();
  if ((high === candidates.length || mayBeStale) && !(await acceptsWithoutFirst(high))) return { kind: 'refused' };
  if ((!isConfirmed || mayBeStale) && (await acceptsWithoutFirst(low))) return { kind: 'accepted' };
  const culprit = candidates[high - 1];
  return culprit === undefined ? { kind: 'refused' } : { kind: 'culprit', culprit };
}
