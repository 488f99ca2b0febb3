import type { ClusterPolicy } from './cluster-policies.ts';
import type { WantedCondition } from './conditions.ts';

/** Milliseconds after which the agent tries a status again that the API server did not take. */
const retryMs = { conflict: 5000, gone: 30_000, refused: 600_000, failed: 60_000 };
/** After the agent wrote a status that another program changed at once, it waits this long, and twice as long with each time. */
const rewriteMs = { first: 6000, longest: 3_600_000 };

interface Write {
  readonly policy: ClusterPolicy;
  readonly text: string;
  readonly isWritten: boolean;
  /** How often the agent wrote the same. */
  readonly times: number;
  readonly until: number;
}

/** The last write of each policy's status. It keeps the agent from a struggle with another program that writes the same conditions (S10.30). */
export class WriteHistory {
  readonly #writes = new Map<string, Write>();

  mayWrite(policy: ClusterPolicy, wanted: readonly WantedCondition[], now: number): boolean {
    const last = this.#writes.get(policy.name);
    if (!last || now >= last.until) return true;
    return last.isWritten ? last.text !== textOf(policy, wanted) : last.policy !== policy;
  }

  wrote(policy: ClusterPolicy, wanted: readonly WantedCondition[], now: number): void {
    const text = textOf(policy, wanted);
    const last = this.#writes.get(policy.name);
    const times = last?.text === text ? last.times + 1 : 0;
    const until = now + Math.min(rewriteMs.longest, rewriteMs.first * 2 ** times);
    this.#writes.set(policy.name, { policy, text, isWritten: true, times, until });
  }

  failed(policy: ClusterPolicy, wanted: readonly WantedCondition[], result: keyof typeof retryMs, now: number): void {
    const times = this.#writes.get(policy.name)?.times ?? 0;
    const write = { policy, text: textOf(policy, wanted), isWritten: false, times, until: now + retryMs[result] };
    this.#writes.set(policy.name, write);
  }

  /** Forgets policies that are gone. */
  keep(policies: ReadonlyMap<string, unknown>): void {
    for (const name of this.#writes.keys()) if (!policies.has(name)) this.#writes.delete(name);
  }
}

function textOf({ uid }: ClusterPolicy, wanted: readonly WantedCondition[]): string {
  return JSON.stringify([uid, wanted]);
}
