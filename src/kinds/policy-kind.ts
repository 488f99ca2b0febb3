import type { ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { Policy } from '../model/policy.ts';

/** An API kind that Postern enforces. CONTRIBUTING.md says what else a new kind needs. */
export interface PolicyKind {
  readonly name: string;
  readonly namespaced: boolean;
  /** The agents write the status of its objects (S10.27). */
  readonly hasStatus?: true;
  /** Without a path: a resource of this API group, in the version that the API server serves. A cluster may not have it. */
  readonly resource: { readonly name: ResourceName } & ({ readonly path: string } | { readonly group: string });
  /**
   * Never throws: an element that it cannot read allows nothing and yields an issue (S9.1). A `Deny` or `Pass` rule that it cannot read denies everything.
   * `raw` is the decoded JSON of the whole object, so that `parse` sees unknown fields (S9.9).
   */
  parse(raw: unknown): { policy: Policy; issues: readonly Issue[] };
}
