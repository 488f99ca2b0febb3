import { costliestOf } from '../compile/namespace-costs.ts';
import type { Policy, PolicyId } from '../model/policy.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Clock } from './clock.ts';
import type { KernelTables } from './kernel-tables.ts';
import { findCulprit, Refusals, type Finding } from './refusals.ts';
import { retryLimit, timeLimitOf } from './time-limit.ts';

/** Finds the policies that the kernel does not take (S9.10), and sees when it takes them again. It asks the kernel to check changes, and writes nothing. */
export class RefusalSearch {
  readonly refusals = new Refusals();
  readonly #pipeline: Pick<Pipeline, 'snapshot' | 'probe'>;
  readonly #kernel: Pick<KernelTables, 'run'>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #progress: () => void;

  /** @param options.progress is called whenever the kernel has answered */
  constructor(options: {
    readonly pipeline: Pick<Pipeline, 'snapshot' | 'probe'>;
    readonly kernel: Pick<KernelTables, 'run'>;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly progress: () => void;
  }) {
    this.#pipeline = options.pipeline;
    this.#kernel = options.kernel;
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#progress = options.progress;
  }

  /** Which policy the kernel does not take. `held`: what the kernel holds. */
  findCulprit(held: Ruleset | undefined): Promise<Finding<Policy>> {
    const refused = this.refusals.ids;
    const { policies, revision } = this.#pipeline.snapshot;
    return findCulprit(
      [...policies.values()].filter((policy) => !refused.has(policy.id)),
      (without) => this.accepts(held, new Set([...refused, ...[...without].map((policy) => policy.id)])),
      () => this.#pipeline.snapshot.revision !== revision,
    );
  }

  /**
   * The policies to refuse after a timeout (S7.19): of the policies in the change, or of all if it has none, those of the namespace that costs most.
   * To try them one by one would take the time limit again for each.
   * @param inForce the policies of the last change that is in force
   */
  findCostly(inForce: ReadonlyMap<PolicyId, Policy>): readonly Policy[] {
    const refused = this.refusals.ids;
    const { snapshot } = this.#pipeline;
    const all = [...snapshot.policies.values()].filter(({ id }) => !refused.has(id));
    const changed = all.filter((policy) => inForce.get(policy.id) !== policy);
    return costliestOf(changed.length > 0 ? changed : all, snapshot);
  }

  /** Tries the policies that are due. Calls `accepted` with each that the kernel takes now. */
  async retry(held: Ruleset | undefined, accepted: (policy: Policy) => void): Promise<void> {
    const startedAt = this.#clock.now();
    for (const policy of this.refusals.due(startedAt)) {
      // The others are due at once, after what changes meanwhile.
      if (this.#clock.now() - startedAt >= retryLimit) return;
      const others = new Set([...this.refusals.ids].filter((id) => id !== policy.id));
      if (await this.accepts(held, others, retryLimit)) {
        this.refusals.delete(policy.id);
        accepted(policy);
      } else this.refusals.add(policy, this.#clock.now());
    }
  }

  /** Whether the kernel takes the change without the refused policies. */
  async accepts(held: Ruleset | undefined, refused: ReadonlySet<PolicyId>, timeoutMs?: number): Promise<boolean> {
    const { stages } = this.#pipeline.probe(held, refused);
    const operations = stages.flatMap((stage) => stage.operations);
    if (operations.length === 0) return true;
    try {
      const options = { check: true, signal: this.#signal, timeoutMs: timeoutMs ?? timeLimitOf(operations) };
      await this.#kernel.run(operations, options);
      return true;
    } catch (error) {
      if (hasCode(error, 'refused') || hasCode(error, 'timeout')) return false;
      throw error;
    } finally {
      this.#progress();
    }
  }
}

export function hasCode(error: unknown, code: 'refused' | 'timeout'): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
