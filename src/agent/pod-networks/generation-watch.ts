import type { KernelTables } from '../kernel-tables.ts';
import type { Clock } from '../clock.ts';
import type { Reconciler } from '../reconciler.ts';

/** After a change by another program, the next look waits for nine times as long as the restoration took. So a pod that never stops gets a tenth of the time. */
const restShare = 9;

/**
 * Detects transactions of other programs in the network namespace of a pod, without a process of its own for each pod. The kernel's generation grows by one with each
 * transaction (K46). If it has grown by more than the agent wrote, the reconciler reads the tables.
 */
export class GenerationWatch {
  readonly #read: () => Promise<number>;
  readonly #clock: Pick<Clock, 'now'>;
  /** The generation if no other program has written; `undefined` if it is not known. */
  #expected: number | undefined;
  #busy = 0;
  #suspectedAt: number | undefined;
  #restUntil = -Infinity;

  constructor(read: () => Promise<number>, clock: Pick<Clock, 'now'>) {
    this.#read = read;
    this.#clock = clock;
  }

  /** Wraps the kernel, so that the watch knows the agent's own transactions. */
  behind(kernel: KernelTables): KernelTables {
    const during = async <T>(work: () => Promise<T>): Promise<T> => {
      this.#busy++;
      try {
        return await work();
      } catch (error) {
        this.#expected = undefined;
        throw error;
      } finally {
        this.#busy--;
        this.#rest();
      }
    };
    return {
      observeChain: (family, name, signal) => kernel.observeChain(family, name, signal),
      observe: (signal) =>
        during(async () => {
          // A transaction during the read counts as one after it.
          this.#expected = await this.#read();
          return kernel.observe(signal);
        }),
      run: (operations, options) =>
        during(async () => {
          await kernel.run(operations, options);
          if (!options.check && this.#expected !== undefined) this.#expected = (this.#expected + 1) % 2 ** 32;
        }),
    };
  }

  /** To be called regularly. */
  async look(reconciler: Pick<Reconciler, 'suspect'>): Promise<void> {
    const isIdle = (): boolean => this.#busy === 0 && this.#expected !== undefined;
    if (!isIdle()) return;
    this.#suspectedAt = undefined;
    if (this.#clock.now() < this.#restUntil) return;
    const generation = await this.#read();
    if (!isIdle() || generation === this.#expected) return;
    this.#suspectedAt = this.#clock.now();
    reconciler.suspect(true);
  }

  /** Whether another program has written since the last read of the tables, as far as is known. */
  async hasForeign(): Promise<boolean> {
    const expected = this.#expected;
    return expected === undefined || (await this.#read()) !== expected;
  }

  #rest(): void {
    if (this.#suspectedAt === undefined) return;
    const now = this.#clock.now();
    this.#restUntil = now + restShare * (now - this.#suspectedAt);
  }
}
