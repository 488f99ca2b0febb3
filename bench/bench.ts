/** What something costs, against something else that was measured in the same run. */
export interface Entry {
  readonly id: string;
  readonly what: string;
  /** Both of the quickest run, in nanoseconds: whatever else the machine does only ever adds to it. */
  readonly cost: number;
  readonly baseline: number;
}

export interface Bench {
  readonly name: string;
  readonly summary: string;
  /** In words, what the baseline is. */
  readonly against: string;
  run(progress: (message: string) => void): Promise<Entry[]>;
}
