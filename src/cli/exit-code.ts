/** Exit codes of all commands. */
export const exitCode = {
  fine: 0,
  /** A connection is denied or would be cut, or a probe differs from the policies. */
  finding: 1,
  /** Wrong flags, or a missing requirement. */
  usage: 2,
  /** The rules in a node's kernel contradict the policies. */
  disagreement: 3,
} as const;
