import type { HeldIssue, HeldPod, HeldPolicy, NodePolicies } from '../model/node-policies.ts';
import type { StateOfIssue } from '../model/node-state.ts';
import type { PolicyId } from '../model/policy.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Held } from './status/held-policies.ts';

interface Known {
  readonly node: string;
  readonly version: string;
  readonly held: Held | undefined;
  /** Whether the agent knows that the kernel holds what was last written. */
  readonly isCertain: boolean;
  readonly comparedSecondsAgo: NodePolicies['comparedSecondsAgo'];
  readonly ready: Pick<Checks, 'results'>;
  readonly issues: readonly StateOfIssue[];
  /** Pods for which the node cannot enforce policies now, and which may just be starting. */
  readonly pending: ReadonlyMap<PodKey, readonly HeldIssue[]>;
  readonly silentSeconds: number | undefined;
}

/** Builds the content of `/policies`: what this node's kernel holds of the cluster's policies, or why that is in doubt. */
export function describePolicies({
  node,
  version,
  held,
  isCertain,
  comparedSecondsAgo,
  ready,
  issues,
  pending,
  silentSeconds,
}: Known): NodePolicies {
  const doubt = doubtOf(ready, held !== undefined, isCertain);
  const policies: HeldPolicy[] = [];
  const indexOf = new Map<PolicyId, number>();
  const issuesOf = groupIssues(issues, ({ kind }) => kind === 'pod');
  const limitsOf = groupIssues(issues, ({ kind, code }) => kind === 'policy' && code === 'unknown-port-numbers');
  if (held) {
    const ofCluster = Array.from(held.ofCluster.versions, ([name, each]) => [`/${name}`, each] as const);
    for (const [id, spec] of new Map([...ofCluster, ...held.versions])) {
      indexOf.set(id, policies.length);
      const [leftOut, limits] = [held.leftOut.get(id), limitsOf.get(id)];
      policies.push({ id, ...spec, ...(leftOut && { leftOut }), ...(limits && { issues: limits }) });
    }
  }
  const pods = Array.from(held?.pods.values() ?? [], (pod) =>
    describePod(pod, indexOf, [...(issuesOf.get(nameOf(pod)) ?? []), ...(pending.get(pod.key) ?? [])]),
  );
  return {
    node,
    version,
    ...(doubt !== undefined && { doubt }),
    ...(silentSeconds !== undefined && { silentSeconds }),
    comparedSecondsAgo,
    policies,
    pods,
  };
}

/** A node that is not ready does not enforce the policies of the cluster. */
function doubtOf(ready: Known['ready'], holds: boolean, isCertain: boolean): string | undefined {
  const failing = ready.results().flatMap(({ name, reason }) => (reason === undefined ? [] : [`${name}: ${reason}`]));
  if (failing.length > 0) return `the node is not ready: ${failing.join('; ')}`;
  if (!holds) return 'its agent has not applied the policies of the cluster yet';
  if (!isCertain)
    return 'another program may have changed the rules in the kernel, and the agent has not compared them yet';
  return undefined;
}

/** By object. */
function groupIssues(
  issues: readonly StateOfIssue[],
  isWanted: (issue: StateOfIssue) => boolean,
): ReadonlyMap<string, readonly HeldIssue[]> {
  const found = new Map<string, HeldIssue[]>();
  for (const issue of issues.filter(isWanted)) {
    const { object, code, effect, message } = issue;
    const known = found.get(object);
    if (known) known.push({ code, effect, message });
    else found.set(object, [{ code, effect, message }]);
  }
  return found;
}

function describePod(local: LocalPod, indexOf: ReadonlyMap<PolicyId, number>, issues: readonly HeldIssue[]): HeldPod {
  const pod = nameOf(local);
  return {
    pod,
    uid: local.key.slice(pod.length + 1),
    addresses: local.addresses,
    policies: local.policies.flatMap((id) => indexOf.get(id) ?? []),
    ...(issues.length > 0 && { issues }),
  };
}

/** A pod's key ends with its uid. */
function nameOf({ key }: LocalPod): string {
  return key.split('/', 2).join('/');
}
