/** What every command exits with. */
export const exitCode = {
  fine: 0,
  /** Denied, would cut, differs, a probe that differs. */
  finding: 1,
  /** Wrong flags, or a machine that lacks something. */
  usage: 2,
  /** What a node's kernel would do is not what the policies say. */
  disagreement: 3,
} as const;
