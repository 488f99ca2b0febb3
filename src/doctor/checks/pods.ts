import { sorted } from '../../lib/sort.ts';
import { isOfCluster, nameOfPolicy } from '../../model/policy.ts';
import type { StateOfIssue } from '../../model/node-state.ts';
import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check, Found } from '../finding.ts';
import { podsOf, policiesOf } from '../subjects.ts';

/** Issue codes with their own check; all others belong to the check `object`. */
const podCodes = ['not-enforceable', 'not-guarded'] as const;

function issuesOf(facts: NodeFacts, isSelected: (issue: StateOfIssue) => boolean): Found[] {
  return (valueOf(facts.agent)?.issues ?? []).filter(isSelected).map((issue) => {
    const { kind, object, message, forOperators, path } = issue;
    const pods = podsOf(facts).filter(({ pod, ingress, egress }) => {
      return kind === 'pod' ? pod === object : [...ingress, ...egress].includes(object);
    });
    return {
      subject:
        kind === 'policy' && isOfCluster(object)
          ? nameOfPolicy(object)
          : `${kind === 'other' ? 'object' : kind} ${object}`,
      problem: `${path}: ${message}${forOperators === undefined ? '' : ` (${forOperators})`}`,
      pods: kind === 'pod' ? [object] : sorted(pods.map(({ pod }) => pod)),
      policies: kind === 'policy' ? [nameOfPolicy(object)] : policiesOf(pods),
      ...(kind === 'policy' && isOfCluster(object) && effectOfTier(issue)),
    };
  });
}

/** A part of a ClusterNetworkPolicy that cannot be read closes, but a policy that has no place in the order opens what it should deny (S10.20, S10.21). */
function effectOfTier({ code, effect }: StateOfIssue): Pick<Found, 'effect' | 'severity'> {
  if (effect === 'not-enforced')
    return { severity: 'error', effect: 'no node enforces the policy: what it should deny is open' };
  if (code === 'unknown-port-numbers')
    return { effect: 'the node denies some connections that the policy does not deny' };
  if (effect === 'ignored') return { effect: 'this part of the policy does nothing' };
  const isWhole = code === 'too-large' || code === 'refused-by-kernel';
  const rule = isWhole ? 'each direction with a Deny or Pass rule' : 'if the rule is a Deny or Pass, its direction';
  return { effect: `${rule} is denied from there on, and an Accept rule matches nothing` };
}

export const notEnforceable: Check<NodeFacts> = {
  id: 'not-enforceable',
  severity: 'error',
  finds: 'packets of a pod that a policy selects can bypass the node (macvlan, ipvlan, SR-IOV, an address of the node)',
  effect: 'the node enforces no policy on those packets',
  remedy: 'use a network plugin that routes or bridges pods on the node',
  find: (facts) => issuesOf(facts, ({ code }) => code === 'not-enforceable'),
};

export const notGuarded: Check<NodeFacts> = {
  id: 'not-guarded',
  severity: 'warning',
  finds: 'the network device of a pod is unknown',
  effect: 'the node cannot drop packets with forged source addresses: they can bypass the policies of this pod',
  remedy:
    'use a container runtime that caches the results of network plugins (containerd, CRI-O), and a plugin that reports the device',
  find: (facts) => issuesOf(facts, ({ code }) => code === 'not-guarded'),
};

export const objects: Check<NodeFacts> = {
  id: 'object',
  severity: 'warning',
  finds: 'a field of a policy or a pod is invalid or cannot be enforced',
  effect: 'the invalid part allows nothing',
  remedy: 'correct the field that the finding names; `kubectl events` shows the same',
  find: (facts) => issuesOf(facts, ({ code }) => !podCodes.some((each) => each === code)),
};

export const unknownPods: Check<NodeFacts> = {
  id: 'unknown-sandbox',
  severity: 'warning',
  finds: 'a pod runs on the node, but the API server has no object for it',
  effect: 'the pod can neither send nor receive',
  remedy: 'stop it: crictl pods, crictl stopp; if the API server was unreachable, wait',
  find: ({ agent }) =>
    (valueOf(agent)?.unknownPods ?? []).map((pod) => ({
      subject: `sandbox ${pod}`,
      problem: 'the API server has no such pod',
      pods: [pod],
    })),
};

export const furtherNetworks: Check<NodeFacts> = {
  id: 'further-network',
  severity: 'warning',
  finds: 'a pod that a policy selects has an additional network (Multus)',
  effect: 'the node enforces policies on the default network of the pod only',
  remedy: 'remove the pod from the additional network, or enforce policies there (multi-networkpolicy)',
  find: (facts) =>
    facts.furtherNetworks.flatMap(({ pod, network, device }) => {
      const policies = policiesOf(podsOf(facts).filter((each) => each.pod === pod));
      const problem = `network ${network} on ${device}`;
      return policies.length > 0 ? [{ subject: `pod ${pod}`, problem, pods: [pod], policies }] : [];
    }),
};

export const claimedRange: Check<NodeFacts> = {
  id: 'claimed-range',
  severity: 'warning',
  finds: 'pods of another node claim addresses in the pod range of this node',
  effect:
    'if the addresses pass the start gate, a pod of this node that gets one is not isolated until its rules are in the kernel; if they do not pass, they can neither send nor receive',
  remedy:
    'turn the start gate off if the network plugin does not use spec.podCIDRs; else find out which client wrote the status of the pods',
  find: (facts) =>
    (valueOf(facts.agent)?.gateClaims ?? []).map(({ node, addresses, pass }) => ({
      subject: `node ${node}`,
      problem: `its pods claim ${addresses} gated addresses of this node, which ${pass ? 'pass' : 'do not pass'} the start gate`,
    })),
};

export const startWindow: Check<NodeFacts> = {
  id: 'start-window',
  severity: 'warning',
  finds: 'the start gate is off on the node, although no flag turns it off',
  effect: 'policies do not protect a pod that starts until its rules are in the kernel',
  remedy: 'docs/operate.md explains the sources of the gated ranges; set --no-start-gate to accept this',
  find: (facts) => {
    const state = valueOf(facts.agent);
    // Nothing is gated before the agent is in sync; agent-ready reports that state.
    if (!state?.applied || !state.startGate || state.gatedRanges.length > 0) return [];
    const note = state.ready.find(({ name }) => name === 'gate')?.note ?? 'off';
    return [{ subject: 'node', problem: `the start gate is ${note}` }];
  },
};
