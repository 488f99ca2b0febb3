import type { Known } from '../../doctor/facts.ts';
import { whyLeftOut, type NodePolicies } from '../../model/node-policies.ts';
import { nameOfPolicy } from '../../model/policy.ts';

/** By the name of the policy, why a node leaves out its rules. */
export function whysLeftOut(node: string, page: Known<NodePolicies> | undefined): Map<string, string> {
  return new Map(
    policiesOf(page).flatMap(({ id, leftOut }) =>
      leftOut ? [[nameOfPolicy(id), whyLeftOut(node, leftOut)] as const] : [],
    ),
  );
}

/** What a node enforces otherwise than policies say, of those that select the pod with this address: a sentence for each. */
export function deviationsOf(node: string, page: Known<NodePolicies> | undefined, address: string): string[] {
  const pods = page && 'value' in page ? page.value.pods : [];
  const selecting = new Set(pods.filter(({ addresses }) => addresses.includes(address)).flatMap((pod) => pod.policies));
  return policiesOf(page).flatMap(({ id, leftOut, issues = [] }, index) => {
    if (!selecting.has(index)) return [];
    const whys = [...(leftOut ? [whyLeftOut(node, leftOut)] : []), ...issues.map(({ message }) => message)];
    return whys.map((why) => `${nameOfPolicy(id)}: ${why}`);
  });
}

function policiesOf(page: Known<NodePolicies> | undefined): NodePolicies['policies'] {
  return page && 'value' in page ? page.value.policies : [];
}
