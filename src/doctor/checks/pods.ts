import { sorted } from '../../lib/sort.ts';
import type { StateOfIssue } from '../../model/node-state.ts';
import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check, Found } from '../finding.ts';
import { podsOf, policiesOf } from '../subjects.ts';

/** Codes that have a check of their own; what else the agent finds wrong with objects is `object`. */
const podCodes = ['not-enforceable', 'not-guarded'] as const;

function issuesOf(facts: NodeFacts, isMeant: (issue: StateOfIssue) => boolean): Found[] {
  return (valueOf(facts.agent)?.issues ?? []).filter(isMeant).map(({ kind, object, message, forOperators, path }) => {
    const pods = podsOf(facts).filter(({ pod, ingress, egress }) => {
      return kind === 'pod' ? pod === object : [...ingress, ...egress].includes(object);
    });
    return {
      subject: `${kind === 'other' ? 'object' : kind} ${object}`,
      problem: `${path}: ${message}${forOperators === undefined ? '' : ` (${forOperators})`}`,
      pods: kind === 'pod' ? [object] : sorted(pods.map(({ pod }) => pod)),
      policies: kind === 'policy' ? [object] : policiesOf(pods),
    };
  });
}

export const notEnforceable: Check<NodeFacts> = {
  id: 'not-enforceable',
  severity: 'error',
  finds:
    'packets of a pod that a policy selects need not cross the node (macvlan, ipvlan, SR-IOV, an address of the node)',
  effect: 'no policy holds for those packets',
  remedy: 'use a network plugin that routes or bridges pods on the node',
  find: (facts) => issuesOf(facts, ({ code }) => code === 'not-enforceable'),
};

export const notGuarded: Check<NodeFacts> = {
  id: 'not-guarded',
  severity: 'warning',
  finds: 'it is not known by which device a pod sends',
  effect: 'policies hold for the pod for as long as it and its neighbours send from their own addresses',
  remedy:
    'use a container runtime that keeps the results of network plugins (containerd, CRI-O), with a plugin that names the device',
  find: (facts) => issuesOf(facts, ({ code }) => code === 'not-guarded'),
};

export const objects: Check<NodeFacts> = {
  id: 'object',
  severity: 'warning',
  finds: 'a policy, or a pod, cannot be understood or enforced as it is written',
  effect: 'what is not understood allows nothing',
  remedy: 'mend the field that the text names; `kubectl events` shows the same',
  find: (facts) => issuesOf(facts, ({ code }) => !podCodes.some((each) => each === code)),
};

export const unknownPods: Check<NodeFacts> = {
  id: 'unknown-sandbox',
  severity: 'warning',
  finds: 'a pod runs on the node that the API server does not know',
  effect: 'its addresses neither send nor receive',
  remedy: 'end it: crictl pods, crictl stopp; or wait, where the API server was away',
  find: ({ agent }) =>
    (valueOf(agent)?.unknownPods ?? []).map((pod) => ({
      subject: `sandbox ${pod}`,
      problem: 'its pod is not, or no longer, there',
      pods: [pod],
    })),
};

export const furtherNetworks: Check<NodeFacts> = {
  id: 'further-network',
  severity: 'warning',
  finds: 'a pod that a policy selects has a further network (Multus)',
  effect: 'policies hold on its first network alone; nothing is judged that goes by the other',
  remedy: 'take the pod out of the further network, or enforce there (multi-networkpolicy)',
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
    'a pod of this node that gets one of them is open until its rules are there; where they do not pass, they neither send nor receive',
  remedy:
    'turn the gate off where the network plugin does not keep to spec.podCIDRs; else find out who wrote the status of the pods',
  find: (facts) =>
    (valueOf(facts.agent)?.gateClaims ?? []).map(({ node, addresses, pass }) => ({
      subject: `node ${node}`,
      problem: `its pods claim ${addresses} of the gated addresses, which ${pass ? 'pass' : 'do not pass'} the gate`,
    })),
};

export const startWindow: Check<NodeFacts> = {
  id: 'start-window',
  severity: 'warning',
  finds: 'the gate is off on the node, and nobody has turned it off',
  effect: 'a pod that starts is isolated by nothing until its address has reached the kernel',
  remedy: 'docs/operate.md says where the ranges of the gate come from; --no-start-gate says that this is wanted',
  find: (facts) => {
    const state = valueOf(facts.agent);
    // Before the lists are in nothing is gated, which another check says.
    if (!state?.applied || !state.startGate || state.gatedRanges.length > 0) return [];
    const note = state.ready.find(({ name }) => name === 'gate')?.note ?? 'off';
    return [{ subject: 'node', problem: `the gate is ${note}` }];
  },
};
