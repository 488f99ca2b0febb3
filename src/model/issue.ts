/** What is wrong with an object, and what was done about it. User input never throws: it yields issues. */
export interface Issue {
  readonly code: IssueCode;
  /** The field, as `spec.ingress[0].from[1].ipBlock.cidr`. */
  readonly path: string;
  /** Describes no object of another namespace than its own: it becomes an Event there (S9.14). */
  readonly message: string;
  /** What only operators may read of it: for logs and pages of the node. */
  readonly forOperators?: string;
  /** `not-enforced`: nothing could be, whatever the policies say. */
  readonly effect: 'ignored' | 'failed-closed' | 'not-enforced';
}

export type IssueCode =
  | 'unknown-field'
  | 'invalid-selector'
  | 'invalid-peer'
  | 'invalid-cidr'
  | 'invalid-except'
  | 'invalid-port'
  | 'invalid-protocol'
  | 'invalid-policy-type'
  | 'invalid-address'
  | 'contested-address'
  | 'node-address'
  | 'stale-address'
  | 'not-enforceable'
  | 'not-guarded'
  | 'too-large'
  | 'refused-by-kernel'
  | 'empty-list';
