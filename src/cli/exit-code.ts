/** What every command exits with. */
export const exitCode = {
  fine: 0,
  /** Denied, would cut, differs, a probe that differs. */
  finding: 1,
  /** Wrong flags, or a machine that lacks something. */
  usage: 2,
  /** `explain` on a live node: the rule set read back and the evaluator disagree. */
  disagreement: 3,
} as const;
