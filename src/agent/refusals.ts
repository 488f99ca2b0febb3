import type { Policy, PolicyId } from '../model/policy.ts';

/** Milliseconds until the agent tries a refused policy again; doubled at each refusal. */
const firstRetry = 10_000;
const lastRetry = 600_000;

interface Refusal {
  readonly policy: Policy;
  readonly retryAt: number;
  readonly delay: number;
}

/** The policies that the kernel refused (S9.10, S7.17). A changed policy counts as new, and the agent tries it at once. */
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

  /** Forgets policies that have changed or no longer apply to this node. */
  keepCurrent(policies: ReadonlyMap<PolicyId, Policy>): void {
    for (const [id, { policy }] of this.#refusals) if (policies.get(id) !== policy) this.#refusals.delete(id);
  }

  get ids(): ReadonlySet<PolicyId> {
    return new Set(this.#refusals.keys());
  }

  due(now: number): Policy[] {
    return [...this.#refusals.values()].filter(({ retryAt }) => retryAt <= now).map(({ policy }) => policy);
  }

  /** When the next policy is due; `undefined` if none is refused. */
  get nextRetry(): number | undefined {
    const times = [...this.#refusals.values()].map(({ retryAt }) => retryAt);
    return times.length > 0 ? Math.min(...times) : undefined;
  }
}

export type Finding<T> =
  | { readonly kind: 'culprit'; readonly culprit: T }
  /** The kernel accepts the change with all candidates: the refusal was temporary. */
  | { readonly kind: 'accepted' }
  /** The kernel refuses the change even without all candidates: none of them is the cause. */
  | { readonly kind: 'refused' };

/**
 * Finds the candidate that makes the kernel refuse a change, by binary search with at most log2(n) + 2 checks for n > 1. The kernel refuses the change
 * with the culprit, and accepts it without the culprit and the candidates before it. A busy kernel may refuse temporarily. So the function blames a
 * candidate only if a refusal with it came after an acceptance without it. If there are several culprits, the next search finds the others. If
 * `isStale` returns true, early answers may be outdated, and the function repeats both checks.
 */
export async function findCulprit<T>(
  candidates: readonly T[],
  accepts: (without: ReadonlySet<T>) => Promise<boolean>,
  isStale: () => boolean = () => false,
): Promise<Finding<T>> {
  const acceptsWithoutFirst = (count: number): Promise<boolean> => accepts(new Set(candidates.slice(0, count)));
  // The kernel refuses the change without the first `low` candidates, and accepts it without the first `high`. The initial values are assumptions, which
  // are checked at the end if they remain.
  let low = 0;
  let high = candidates.length;
  // Whether the refusal came after the acceptance.
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
