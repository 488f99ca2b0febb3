import { agentLabels } from '../../src/cli/connect/find-agents.ts';

export interface AgentFields {
  readonly namespace?: string;
  readonly name?: string;
  readonly image?: string;
  readonly labels?: object;
  readonly ownerReferences?: readonly object[];
  readonly spec?: object;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly leaving?: boolean;
}

interface PodLike {
  readonly metadata: object;
  readonly spec?: unknown;
}

/** The pod as the DaemonSet `postern` makes it. */
export function asAgent<Pod extends PodLike>(pod: Pod): Pod {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'postern', uid: 'u', controller: true }];
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: agentLabels, ownerReferences },
    spec: {
      containers: [{ name: 'agent', image: 'postern:1', args: ['agent'] }],
      ...(pod.spec as object),
      hostNetwork: true,
      serviceAccountName: 'postern',
    },
  };
}

/** An agent of the node, or a forged one. */
export function agentPod(nodeName: string, fields: AgentFields = {}) {
  const { namespace = 'postern-system', name = `agent-${nodeName}`, image = 'postern:1', phase = 'Running' } = fields;
  const { labels, ownerReferences, ready = false, leaving = false } = fields;
  const containers = [{ name: 'agent', image, args: ['agent'] }];
  const pod = asAgent({ metadata: { namespace, name }, spec: { nodeName, containers } });
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  return {
    ...pod,
    kind: 'Pod',
    metadata: {
      ...pod.metadata,
      ...(labels && { labels }),
      ...(ownerReferences && { ownerReferences }),
      ...(leaving && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { ...pod.spec, ...fields.spec },
    status: { phase, conditions },
  };
}
