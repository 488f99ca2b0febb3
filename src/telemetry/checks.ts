export interface CheckResult {
  readonly name: string;
  /** Why it is not fine; missing if it is. */
  readonly reason?: string;
  /** What there is to know of one that is fine. */
  readonly note?: string;
}

/** Named conditions, all of which must hold. One that has not been reported yet does not hold. */
export class Checks {
  readonly #results = new Map<string, CheckResult>();

  constructor(names: readonly string[]) {
    for (const name of names) this.#results.set(name, { name, reason: 'not known yet' });
  }

  /** A text says what is wrong; `undefined` says that nothing is. True if that is news. */
  report(name: string, reason: string | undefined): boolean {
    return this.#set(reason === undefined ? { name } : { name, reason });
  }

  /** It is fine, and there is something to know of it. True if that is news. */
  note(name: string, note: string): boolean {
    return this.#set({ name, note });
  }

  get ok(): boolean {
    return this.#results.values().every(({ reason }) => reason === undefined);
  }

  /** In the order in which they were named. */
  results(): CheckResult[] {
    return [...this.#results.values()];
  }

  #set(result: CheckResult): boolean {
    const known = this.#results.get(result.name);
    this.#results.set(result.name, result);
    return !known || known.reason !== result.reason || known.note !== result.note;
  }
}
