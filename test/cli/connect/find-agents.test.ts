import { deepEqual, throws } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { findAgents, findFalseAgents, hasAgentLabels } from '../../../src/cli/connect/find-agents.ts';
import { agentPod, type AgentFields } from '../../support/agent-pod.ts';

const home = 'postern-system';
const real = ['n1', 'n2'].map((node) => agentPod(node));

/** Pods of a tenant: the one namespace is listed before the agents' namespace, the other after it. */
const tenants = ['alice', 'zoe'];

function forge(namespace: string, more: AgentFields = {}): object {
  return agentPod('n1', { namespace, name: 'agent-n1', image: 'evil.example/image', ...more });
}

const names = (pods: readonly object[], namespace?: string): string[] =>
  findAgents(pods, namespace).agents.map((each) => `${each.node} ${each.namespace}/${each.name} ${each.image}`);

const ours = ['n1 postern-system/agent-n1 postern:1', 'n2 postern-system/agent-n2 postern:1'];

describe('the agents of a cluster', () => {
  it('are the pods of a DaemonSet with the labels of the chart and of deploy/', () => {
    deepEqual(names(real), ours);
    deepEqual(real.filter(hasAgentLabels).length, 2);
    deepEqual([{ ...real[0], kind: 'Node' }, agentPod('n1', { labels: {} })].filter(hasAgentLabels), []);
  });

  for (const [what, more, why] of [
    ['not on the host network', { spec: { hostNetwork: false } }, 'it is not on the host network'],
    ['without a controller', { ownerReferences: [] }, 'no DaemonSet controls it'],
    [
      'that a DaemonSet owns but does not control',
      { ownerReferences: [{ kind: 'DaemonSet', name: 'postern' }] },
      'no DaemonSet controls it',
    ],
    ['of a Job', { ownerReferences: [{ kind: 'Job', name: 'postern', controller: true }] }, 'no DaemonSet controls it'],
    [
      'with another service account',
      { spec: { serviceAccountName: 'default' } },
      'its service account is not named like its DaemonSet, postern',
    ],
    [
      'with another program',
      { spec: { containers: [{ name: 'agent', args: ['serve'] }] } },
      'no container has the argument "agent"',
    ],
  ] as const) {
    it(`are not a pod ${what}, in any namespace, also the given one`, () => {
      for (const namespace of [...tenants, home]) {
        const forged = forge(namespace, { name: 'forged', ...more });
        for (const pods of [
          [forged, ...real],
          [...real, forged],
        ]) {
          deepEqual(names(pods), ours);
          deepEqual(findAgents(pods, home).others, [{ pod: `${namespace}/forged`, node: 'n1', why }]);
        }
      }
    });
  }

  it('are not chosen among several namespaces: the user names one', () => {
    for (const tenant of tenants) {
      const pods = [forge(tenant), ...real];
      throws(() => findAgents(pods, undefined), {
        name: 'ConfigError',
        message: `pods in several namespaces look like Postern's agents: ${[tenant, home].toSorted().join(', ')}; name the namespace of yours with --agent-namespace`,
      });
      deepEqual(names(pods, home), ours);
      deepEqual(findFalseAgents(pods, home), [
        { pod: `${tenant}/agent-n1`, node: 'n1', why: 'it is not in namespace postern-system' },
      ]);
    }
    const many = Array.from({ length: 9 }, (_, index) => forge(`t${index}`));
    throws(() => findAgents([...many, ...real], undefined), /: postern-system, t0, t1, t2, t3 and 5 more; name/);
  });

  it('are missing if the given namespace has none, and the message names a pod that looks like one', () => {
    throws(() => findAgents([...real, forge('alice', { spec: { hostNetwork: false } })], 'alice'), {
      name: 'ConfigError',
      message:
        /^--agent-namespace: no agent of Postern is in namespace "alice"; pod .* has the labels of an agent but is none: .* \(and 2 more such pods\)$/,
    });
  });

  it('are one for each node: the ready one, else the running one, else the first by name', () => {
    const [starting, running, ready, leaving] = [
      agentPod('n1', { name: 'a', phase: 'Pending' }),
      agentPod('n1', { name: 'b' }),
      agentPod('n1', { name: 'd', ready: true }),
      agentPod('n1', { name: 'c', ready: true, leaving: true }),
    ];
    const chosen = (...pods: object[]): string[] =>
      [pods, pods.toReversed()].map((each) =>
        findAgents(each, undefined)
          .agents.map(({ name }) => name)
          .join(),
      );
    deepEqual(chosen(starting, running, ready, leaving), ['d', 'd']);
    deepEqual(chosen(starting, running, leaving), ['b', 'b']);
    deepEqual(chosen(starting, leaving), ['c', 'c']);
    deepEqual(chosen(starting, agentPod('n1', { name: 'e', phase: 'Failed' })), ['a', 'a']);
  });

  it('are on a node: a pod without one is neither an agent nor a false one', () => {
    const waiting = agentPod('n1', { spec: { nodeName: undefined } });
    deepEqual(findAgents([waiting], undefined), { agents: [], others: [] });
  });
});
