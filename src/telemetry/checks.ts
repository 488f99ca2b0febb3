export interface CheckResult {
  readonly name: string;
  /** Why it is not fine; missing if it is. */
  readonly reason?: string;
}

/** Named conditions, all of which must hold. One that has not been reported yet does not hold. */
export class Checks {
  readonly #reasons = new Map<string, string | undefined>();

  constructor(names: readonly string[]) {
    for (const name of names) this.#reasons.set(name, 'not known yet');
  }

  /** A text says what is wrong; `undefined` says that nothing is. True if that is news. */
  report(name: string, reason: string | undefined): boolean {
    const news = !this.#reasons.has(name) || this.#reasons.get(name) !== reason;
    this.#reasons.set(name, reason);
    return news;
  }

  get ok(): boolean {
    return [...this.#reasons.values()].every((reason) => reason === undefined);
  }

  /** In the order in which they were named. */
  results(): CheckResult[] {
    return Array.from(this.#reasons, ([name, reason]) => (reason === undefined ? { name } : { name, reason }));
  }
}
