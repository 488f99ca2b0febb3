import type { ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { Policy } from '../model/policy.ts';

/** An API kind that we translate. Adding a kind is adding one of these to `policyKinds`. */
export interface PolicyKind {
  readonly name: string;
  readonly resource: { readonly name: ResourceName; readonly path: string };
  /**
   * Never throws: whatever is not understood allows nothing and yields an issue (S9.1).
   * `raw` is the decoded JSON of the object, so that fields we do not know are seen (S9.9).
   */
  parse(raw: unknown): { policy: Policy; issues: readonly Issue[] };
}
