/** What the agent writes for statuses: its node's report, the Lease of the elected agent, the status of a policy. */
export type StatusObject = 'report' | 'lease' | 'status';

/** `conflict`: another program wrote first. `gone`: the object does not exist any more. `refused`: the API server does not take it. */
export type WriteResult = 'written' | 'conflict' | 'gone' | 'refused' | 'failed';

export interface StatusObserver {
  wrote(what: StatusObject, result: WriteResult): void;
  /** The API server refuses the status of this policy. */
  refused(policy: string, error: unknown): void;
  elected(isElected: boolean): void;
}
