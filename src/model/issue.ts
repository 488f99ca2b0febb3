/** An error in an object, and its effect. Code that reads user input returns issues; it never throws. */
export interface Issue {
  readonly code: IssueCode;
  /** The field, such as `spec.ingress[0].from[1].ipBlock.cidr`. */
  readonly path: string;
  /** The agent writes it into an Event in the object's namespace, so it describes no object of another namespace (S9.14). */
  readonly message: string;
  /** Details for logs and the node's HTTP pages. Only operators may read them. */
  readonly forOperators?: string;
  /** `enforced`: the node enforces the whole object; the message names what is unclear in it. `ignored`: the field has no effect. `failed-closed`: the field allows nothing. `not-enforced`: the node enforces no policy for this object. */
  readonly effect: 'enforced' | 'ignored' | 'failed-closed' | 'not-enforced';
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
  | 'invalid-action'
  | 'invalid-mode'
  | 'invalid-order'
  | 'equal-priority'
  | 'unknown-port-numbers'
  | 'invalid-address'
  | 'contested-address'
  | 'node-address'
  | 'stale-address'
  | 'unknown-namespace'
  | 'unflushed-address'
  | 'not-enforceable'
  | 'not-guarded'
  | 'rules-changed-in-pod'
  | 'too-large'
  | 'refused-by-kernel'
  | 'empty-list';
