export interface CheckResult {
  readonly name: string;
  /** Why the check fails; missing if it passes. */
  readonly reason?: string;
  /** Information about a check that passes. */
  readonly note?: string;
}

/** Named conditions that must all pass. A condition fails until it is reported. */
export class Checks {
  readonly #results = new Map<string, CheckResult>();

  constructor(names: readonly string[]) {
    for (const name of names) this.#results.set(name, { name, reason: 'not checked yet' });
  }

  /** Reports a failure with its reason, or with `undefined` a success. Returns whether the result changed. */
  report(name: string, reason: string | undefined): boolean {
    return this.#set(reason === undefined ? { name } : { name, reason });
  }

  /** Reports a success with a note. Returns whether the result changed. */
  note(name: string, note: string): boolean {
    return this.#set({ name, note });
  }

  get ok(): boolean {
    return this.#results.values().every(({ reason }) => reason === undefined);
  }

  /** In the order of the constructor's names. */
  results(): CheckResult[] {
    return [...this.#results.values()];
  }

  #set(result: CheckResult): boolean {
    const known = this.#results.get(result.name);
    this.#results.set(result.name, result);
    return !known || known.reason !== result.reason || known.note !== result.note;
  }
}
