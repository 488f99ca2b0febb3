import type { KernelTables, KernelTablesOptions } from '../../src/agent/kernel-tables.ts';
import { applyOperations } from './nft/edit.ts';
import { renderOperation } from './nft/render-operation.ts';
import type { Chain, Operation, Ruleset, TableFamily } from '../../src/nftables/ruleset.ts';

export interface FakeRun {
  readonly operations: readonly Operation[];
  readonly check: boolean;
  readonly outcome: 'done' | 'refused' | 'late' | 'failed';
  readonly timeoutMs?: number | undefined;
}

/** The kernel's tables in memory, for the reconciler. Refuses what the kernel refuses, and fails on request of a test. */
export class FakeNft implements KernelTables {
  /** The tables of Postern; `undefined` if there are none. A test sets it to act as another program. */
  ruleset: Ruleset | undefined;
  readonly runs: FakeRun[] = [];
  readonly #refused = new Set<string>();
  readonly #late = new Map<string, 'done' | 'undone'>();
  readonly #failures: Error[] = [];
  #runsLeft = Infinity;
  #crash = Promise.withResolvers<void>();

  constructor(ruleset?: Ruleset) {
    this.ruleset = ruleset;
  }

  /** Refuses every script that contains the text. */
  refuseElement(text: string): void {
    this.#refused.add(text);
  }

  acceptElement(text: string): void {
    this.#refused.delete(text);
  }

  /** Every script that contains the text times out; `done`: although the kernel has applied it. */
  delayElement(text: string, end: 'done' | 'undone'): void {
    this.#late.set(text, end);
  }

  hastenElement(text: string): void {
    this.#late.delete(text);
  }

  /** The next call rejects with the error and does nothing. */
  failNext(error: Error): void {
    this.#failures.push(error);
  }

  /**
   * Simulates a crash of the process after `count` more runs (not checks): later calls do nothing and never settle. Resolves at the
   * first such call.
   */
  crashAfterRuns(count: number): Promise<void> {
    this.#runsLeft = count;
    this.#crash = Promise.withResolvers();
    return this.#crash.promise;
  }

  /** Ends the simulated crash. */
  restart(): void {
    this.#runsLeft = Infinity;
  }

  async observe(signal: AbortSignal): Promise<Ruleset | undefined> {
    await this.#enter(signal);
    return this.ruleset;
  }

  async observeChain(family: TableFamily, name: string, signal: AbortSignal): Promise<Chain | undefined> {
    await this.#enter(signal);
    return this.ruleset?.[family]?.chains.get(name);
  }

  async run(operations: readonly Operation[], { check, signal, timeoutMs }: KernelTablesOptions): Promise<void> {
    const note = (outcome: FakeRun['outcome']): void => void this.runs.push({ operations, check, outcome, timeoutMs });
    try {
      await this.#enter(signal);
    } catch (error) {
      note('failed');
      throw error;
    }
    const late = this.#late.entries().find(([text]) => holdsText(operations, text));
    let changed: Ruleset;
    try {
      changed = this.#apply(operations);
    } catch (error) {
      note('refused');
      throw error;
    }
    note(late ? 'late' : 'done');
    if (!check && late?.[1] !== 'undone') {
      this.#runsLeft--;
      this.ruleset = Object.keys(changed).length > 0 ? changed : undefined;
    }
    if (late) throw Object.assign(new Error('nft did not end in time'), { code: 'timeout' });
  }

  /** Asynchronous, as a real run. */
  async #enter(signal: AbortSignal): Promise<void> {
    await new Promise(setImmediate);
    if (this.#runsLeft <= 0) {
      this.#crash.resolve();
      await new Promise<never>(() => {});
    }
    signal.throwIfAborted();
    const failure = this.#failures.shift();
    if (failure) throw failure;
  }

  #apply(operations: readonly Operation[]): Ruleset {
    const changed = applyOperations(this.ruleset ?? {}, operations);
    for (const [index, operation] of operations.entries()) {
      const line = renderOperation(operation);
      const planted = [...this.#refused].find((text) => line.includes(text));
      if (planted !== undefined) throw refusal(`operation ${index}: planted fault: ${planted}`);
    }
    return changed;
  }
}

function refusal(message: string): Error {
  return Object.assign(new Error(message), { code: 'refused' });
}

function holdsText(operations: readonly Operation[], text: string): boolean {
  return operations.some((operation) => renderOperation(operation).includes(text));
}
