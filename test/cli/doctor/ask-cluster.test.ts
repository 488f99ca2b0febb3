import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { describe, it } from 'mocha';
import { doctorCommand } from '../../../src/cli/commands/doctor.ts';
import { askCluster, type AskOptions } from '../../../src/cli/doctor/ask-cluster.ts';
import { judgeCluster } from '../../../src/doctor/cluster.ts';
import type { Finding } from '../../../src/doctor/finding.ts';
import type { NodeReport } from '../../../src/doctor/report.ts';
import { textAt } from '../../../src/lib/json.ts';
import { ObjectDigest } from '../../../src/lib/object-digest.ts';
import { ApiError } from '../../../src/watch/api-error.ts';
import type { CommandOutcome, PodCommand } from '../../../src/watch/pod-exec.ts';
import { asAgent, agentPod as forgedPod } from '../../support/agent-pod.ts';

function digest(...versions: readonly string[]): string {
  const sum = new ObjectDigest();
  for (const version of versions) sum.add('u', version);
  return sum.toString();
}

interface AgentFields {
  readonly name?: string;
  readonly namespace?: string;
  readonly phase?: string;
}

function agentPod(node: string, more: AgentFields = {}) {
  const { name = `agent-${node}`, namespace = 'ours', phase = 'Running' } = more;
  const containers = [{ name: 'sidecar' }, { name: 'main', args: ['agent'] }];
  return asAgent({ metadata: { namespace, name }, spec: { nodeName: node, containers }, status: { phase } });
}

const finding: Finding = {
  check: 'clock',
  severity: 'warning',
  subject: 'clock',
  problem: 'late',
  effect: 'e',
  pods: [],
  policies: [],
  remedy: 'r',
};

function report(more: Partial<NodeReport> = {}): string {
  const applied = { networkpolicies: digest('1'), namespaces: digest(), pods: 'other' };
  const head = { node: 'as the node calls itself', version: '1.0.0', nft: '1.1.3', kernel: '6.18' };
  return JSON.stringify({ ...head, applied, findings: [], unknown: [], ...more });
}

const discovery: Readonly<Record<string, object>> = {
  '/apis/policy.networking.k8s.io': { preferredVersion: { version: 'v1alpha2' } },
  '/apis/policy.networking.k8s.io/v1alpha2': { resources: [{ name: 'clusternetworkpolicies' }] },
};

const hangs = Symbol('hangs');

interface Cluster {
  readonly agents: readonly object[];
  readonly nodes?: readonly object[] | Error;
  /** That are no agents. */
  readonly pods?: readonly object[] | Error;
  readonly answers?: Readonly<Record<string, string | CommandOutcome | Error | typeof hangs>>;
  readonly options?: Partial<AskOptions>;
  /** The resource version of the only policy, at each look. */
  readonly policies?: readonly string[];
  /** If set, the API server serves them. */
  readonly clusterPolicies?: readonly object[] | Error;
  readonly slices?: readonly object[] | Error;
}

const named = (name: string, os = 'linux'): object => ({ metadata: { name, labels: { 'kubernetes.io/os': os } } });

async function ask(cluster: Cluster) {
  const { agents, nodes = [], pods = [], answers = {}, options = {}, policies = ['1'] } = cluster;
  const { clusterPolicies, slices = [] } = cluster;
  const asked: PodCommand[] = [];
  const told: string[] = [];
  const paths: string[] = [];
  let looks = 0;
  const facts = await askCluster({
    client: {
      async get(path, { query }) {
        paths.push(`${path} ${query['labelSelector'] ?? ''}`.trim());
        const lists: Readonly<Record<string, () => readonly object[] | Error>> = {
          '/api/v1/nodes': () => nodes,
          '/api/v1/namespaces': () => [],
          '/apis/policy.networking.k8s.io': () => [],
          '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies': () => clusterPolicies ?? [],
          '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices': () => slices,
          '/apis/networking.k8s.io/v1/networkpolicies': () => {
            const version = policies[Math.min(looks++, policies.length - 1)];
            return [{ metadata: { uid: 'u', resourceVersion: version } }];
          },
        };
        if (clusterPolicies && path in discovery) {
          return (async function* () {
            yield Buffer.from(JSON.stringify(discovery[path]));
          })();
        }
        const isOfAgents = 'labelSelector' in query;
        const home = /^[/]api[/]v1[/]namespaces[/]([^/]+)[/]pods$/.exec(path)?.[1];
        const labelled = agents.filter((each) => home === undefined || textAt(each, 'metadata', 'namespace') === home);
        const items = lists[path]?.() ?? (isOfAgents ? labelled : pods);
        if (items instanceof Error) throw items;
        return (async function* () {
          yield Buffer.from(JSON.stringify({ metadata: { resourceVersion: '9' }, items }));
        })();
      },
    },
    config: new KubeConfig(),
    exec: async (_, command) => {
      asked.push(command);
      const answer = answers[command.pod] ?? report();
      if (answer === hangs) {
        return new Promise((__, reject) =>
          command.signal.addEventListener('abort', () => reject(command.signal.reason as Error)),
        );
      }
      if (answer instanceof Error) throw answer;
      return typeof answer === 'string' ? { exitCode: 0, stdout: answer, stderr: '' } : answer;
    },
    agentNamespace: undefined,
    selector: 'app=x',
    node: undefined,
    timeoutMs: 50,
    version: '1.0.0',
    progress: (text) => told.push(text),
    pause: async () => {},
    ...options,
  });
  const judged = judgeCluster(facts);
  const texts = judged.findings.map(({ check, subject, problem, nodes: where }) => {
    return `${where.length > 0 ? `${where.join(',')} ` : ''}${check}: ${subject}: ${problem}`;
  });
  return { asked, told, paths, texts, judged };
}

describe('asking all nodes of a cluster', () => {
  it('asks the agent container of each node once, and finds nothing on healthy nodes', async () => {
    const { asked, texts, told, paths, judged } = await ask({
      agents: [agentPod('n2'), agentPod('n1')],
      nodes: [named('n1'), named('n2'), named('w', 'windows')],
    });
    assert.deepEqual(texts, []);
    assert.deepEqual(
      asked.map(({ namespace, pod, container, command }) => [namespace, pod, container, ...command].join(' ')),
      ['n1', 'n2'].map((node) => `ours agent-${node} main postern node doctor -o json`),
    );
    assert.deepEqual(told, ['asking 2 nodes', 'n1: no findings (1 of 2)', 'n2: no findings (2 of 2)']);
    assert.ok(paths.includes('/api/v1/pods app=x'), paths.join());
    assert.deepEqual(
      judged.nodes.map(({ node }) => node),
      ['n1', 'n2'],
    );
  });

  it('prints a common finding of several nodes once', async () => {
    const { texts } = await ask({
      agents: [agentPod('n1'), agentPod('n2')],
      answers: { 'agent-n1': report({ findings: [finding] }), 'agent-n2': report({ findings: [finding] }) },
    });
    assert.deepEqual(texts, ['n1,n2 clock: clock: late']);
  });

  it('finds pods with the labels of the agents that are none, does not ask them, and misses the agents of their nodes', async () => {
    const forged = { name: 'x', spec: { hostNetwork: false } };
    const [before, after] = [
      forgedPod('n2', { ...forged, namespace: 'alice' }),
      forgedPod('n1', { ...forged, namespace: 'zoe' }),
    ];
    const nodes = [named('n1'), named('n2')];
    const { texts, asked } = await ask({ agents: [before, agentPod('n1'), after], nodes });
    const why = 'with the labels of the agents: it is not on the host network';
    assert.deepEqual(texts, [
      'no-agent: node n2: it has no agent pod',
      `false-agent: pod alice/x: it is on node n2 ${why}`,
      `false-agent: pod zoe/x: it is on node n1 ${why}`,
    ]);
    assert.deepEqual(
      asked.map(({ namespace, pod }) => `${namespace}/${pod}`),
      ['ours/agent-n1'],
    );
    const of = await ask({ agents: [before, agentPod('n1'), after], nodes, options: { node: 'n1' } });
    assert.deepEqual(of.texts, [`false-agent: pod zoe/x: it is on node n1 ${why}`]);
  });

  it('asks in the given namespace only, and finds the pods elsewhere', async () => {
    const agents = [forgedPod('n1', { name: 'x', namespace: 'alice' }), agentPod('n1')];
    await assert.rejects(
      ask({ agents }),
      /^ConfigError: pods in several namespaces .*: alice, ours; name .* --agent-namespace$/,
    );
    const { texts, asked, paths } = await ask({ agents, options: { agentNamespace: 'ours' } });
    assert.deepEqual(texts, [
      'false-agent: pod alice/x: it is on node n1 with the labels of the agents: it is not in namespace ours',
    ]);
    assert.deepEqual(
      asked.map(({ pod }) => pod),
      ['agent-n1'],
    );
    assert.ok(paths.includes('/api/v1/namespaces/ours/pods app=x'), paths.join());
  });

  it('names the first fifty such pods', async () => {
    const forged = Array.from({ length: 52 }, (_, index) =>
      forgedPod('n1', { name: `x${index}`, namespace: 'alice', spec: { hostNetwork: false } }),
    );
    const { texts } = await ask({ agents: [agentPod('n1'), ...forged] });
    assert.deepEqual([texts.length, texts.at(-1)], [51, 'false-agent: pods: 2 more pods have these labels']);
  });

  it('makes what an agent answers printable', async () => {
    const said = { problem: 'late\u001b[2J\u009b1m\nnode n2: fine', subject: 'clock' };
    const { judged } = await ask({
      agents: [agentPod('n1')],
      answers: { 'agent-n1': report({ findings: [{ ...finding, ...said }], kernel: '6\u202e' }) },
    });
    assert.deepEqual(judged.findings[0]?.problem, 'late?[2J?1m node n2: fine');
    assert.deepEqual(judged.nodes[0]?.kernel, '6?');
  });

  it('finds a node without an agent', async () => {
    const { texts } = await ask({ agents: [agentPod('n1')], nodes: [named('n1'), named('n2'), named('w', 'windows')] });
    assert.deepEqual(texts, ['no-agent: node n2: it has no agent pod']);
  });

  for (const [what, answer, problem] of [
    ['that hangs', hangs, 'no answer within 0.05 s'],
    ['that may not be asked', new ApiError('refused', 'you may not'), 'you may not'],
    [
      'of a version without a doctor',
      { exitCode: 2, stdout: '', stderr: "error: unknown command 'node'\n" },
      'this version of the agent has no doctor: upgrade it',
    ],
    [
      'that fails',
      { exitCode: 2, stdout: '', stderr: 'postern: boom\n' },
      'the doctor ended with exit code 2: postern: boom',
    ],
    ['that says something else', '{"node": 1}', 'the doctor ended with exit code 0: no report'],
  ] as const) {
    it(`finds an agent ${what}, and asks the others`, async () => {
      const { texts } = await ask({
        agents: [agentPod('n1'), agentPod('n2')],
        answers: { 'agent-n1': answer, 'agent-n2': report({ findings: [finding] }) },
      });
      assert.deepEqual(texts, [`no-answer: node n1: pod ours/agent-n1: ${problem}`, 'n2 clock: clock: late']);
    });
  }

  it('finds a pod that does not run, and uses the running pod if a node has two', async () => {
    const { texts, asked } = await ask({
      agents: [
        agentPod('n1', { phase: 'Pending' }),
        agentPod('n2', { name: 'old', phase: 'Failed' }),
        agentPod('n2', { name: 'new' }),
      ],
    });
    assert.deepEqual(texts, ['no-answer: node n1: pod ours/agent-n1: the agent does not run: Pending']);
    assert.deepEqual(
      asked.map(({ pod }) => pod),
      ['new'],
    );
  });

  it('finds agents and nft of several versions', async () => {
    const { texts } = await ask({
      agents: ['n1', 'n2', 'n3'].map((node) => agentPod(node)),
      answers: { 'agent-n2': report({ version: '0.9.0', nft: '1.0.6' }) },
    });
    assert.deepEqual(texts, [
      'version-skew: agents: 1.0.0 on n1, n3; 0.9.0 on n2',
      'nft-skew: nft: 1.1.3 on n1, n3; 1.0.6 on n2',
    ]);
  });

  it('finds a node that is still behind after a pause', async () => {
    const { texts, asked } = await ask({ agents: [agentPod('n1')], policies: ['2'] });
    assert.deepEqual(texts, ['behind: node n1: it has not applied the current networkpolicies']);
    assert.equal(asked.length, 4);
  });

  it('does not report a node as behind while the newest policy is on its way to it', async () => {
    const answers: Record<string, string> = {};
    const pause = async (): Promise<void> => {
      answers['agent-n1'] = report({ applied: { networkpolicies: digest('2') } });
    };
    const { texts, asked } = await ask({ agents: [agentPod('n1')], policies: ['2'], answers, options: { pause } });
    assert.deepEqual([texts, asked.length], [[], 2]);
  });

  describe('that has ClusterNetworkPolicies', () => {
    const guard = {
      metadata: { name: 'guard', uid: 'u', resourceVersion: '1' },
      spec: {
        ...{ tier: 'Admin', priority: 1, subject: { pods: { podSelector: {} } } },
        egress: [{ action: 'Deny', to: [{ networks: ['192.0.2.0/24'] }] }],
      },
    };
    const volumes = [{ projected: { sources: [{ serviceAccountToken: {} }] } }];
    const pods = [
      {
        metadata: { namespace: 'shop', name: 'a', managedFields: [{}] },
        spec: { nodeName: 'n1', containers: [{}], volumes },
        status: { phase: 'Running', podIPs: [{ ip: '10.1.0.1' }] },
      },
    ];
    const slices = [{ ports: [{ port: 6443 }], endpoints: [{ addresses: ['192.0.2.1'] }] }];
    const agents = [agentPod('n1')];
    const answers = { 'agent-n1': report({ applied: { clusternetworkpolicies: digest('1') } }) };

    it('judges them by all pods and the endpoints of the API server', async () => {
      // The cluster has no Namespace, so the policy selects nothing.
      const { texts, judged } = await ask({ agents, pods, slices, answers, clusterPolicies: [guard] });
      assert.deepEqual(texts, ['selects-no-pod: ClusterNetworkPolicy guard: no pod matches spec.subject']);
      assert.deepEqual(judged.unknown, []);
    });

    it('finds a node that has not applied them', async () => {
      const old = { 'agent-n1': report({ applied: { clusternetworkpolicies: digest('0') } }) };
      const { texts } = await ask({ agents, answers: old, clusterPolicies: [guard] });
      assert.equal(texts[0], 'behind: node n1: it has not applied the current clusternetworkpolicies');
    });

    it('judges none when it looks at one node, or may not list them', async () => {
      const one = await ask({ agents, pods, answers, clusterPolicies: [guard], options: { node: 'n1' } });
      assert.deepEqual([one.texts, one.judged.unknown], [[], []]);
      const refused = new ApiError('refused', 'clusternetworkpolicies is forbidden');
      const { texts, judged } = await ask({ agents, pods, answers, clusterPolicies: refused });
      const why = 'clusternetworkpolicies is forbidden';
      assert.deepEqual(
        [texts, judged.unknown],
        [[], [`the list of policies: ${why}`, `ClusterNetworkPolicies: ${why}`]],
      );
    });

    it('says that it does not know the endpoints of the API server', async () => {
      const forbidden = new ApiError('refused', 'endpointslices is forbidden');
      const { judged } = await ask({ agents, pods, answers, clusterPolicies: [guard], slices: forbidden });
      assert.deepEqual(judged.unknown, ['whether policies deny the API server: endpointslices is forbidden']);
    });
  });

  it('continues without objects that it may not read, and says so', async () => {
    const { texts, judged } = await ask({
      agents: [agentPod('n1')],
      nodes: new ApiError('refused', 'nodes is forbidden'),
    });
    assert.deepEqual([texts, judged.unknown], [[], ['the list of nodes: nodes is forbidden']]);
  });

  it('finds pods of the given node with probes that name a host', async () => {
    const probing = (name: string, nodeName: string) => ({
      metadata: { namespace: 'shop', name },
      spec: { nodeName, containers: [{ livenessProbe: { httpGet: { host: '10.1.0.9' } } }] },
    });
    const pods = [probing('a', 'n1'), probing('b', 'n2')];
    const problem = 'spec.containers[0].livenessProbe.httpGet.host is "10.1.0.9"';
    const { texts } = await ask({ agents: [agentPod('n1')], pods });
    assert.deepEqual(texts, [`probe-host: pod shop/a: ${problem}`, `probe-host: pod shop/b: ${problem}`]);
    const { texts: ofNode } = await ask({ agents: [agentPod('n1')], pods, options: { node: 'n1' } });
    assert.deepEqual(ofNode, [`probe-host: pod shop/a: ${problem}`]);
    const { judged } = await ask({ agents: [agentPod('n1')], pods: new ApiError('refused', 'pods is forbidden') });
    assert.deepEqual(judged.unknown, ['the list of pods: pods is forbidden']);
  });

  it('asks only one node', async () => {
    const agents = [agentPod('n1'), agentPod('n2')];
    const { asked } = await ask({ agents, options: { node: 'n2' } });
    assert.deepEqual(
      asked.map(({ pod }) => pod),
      ['agent-n2'],
    );
    await assert.rejects(
      ask({ agents, options: { node: 'n9' } }),
      /--node: node "n9" has no agent; nodes with an agent: n1, n2$/,
    );
    const { texts } = await ask({ agents, nodes: [named('n9')], options: { node: 'n9' } });
    assert.deepEqual(texts, ['no-agent: node n9: it has no agent pod']);
  });

  it('reports the kubelet’s message about an agent that restarts repeatedly while its pod is Running', async () => {
    const waiting = { name: 'main', state: { waiting: { reason: 'CrashLoopBackOff' } } };
    const crashing = { ...agentPod('n1'), status: { phase: 'Running', containerStatuses: [waiting] } };
    const { texts, asked } = await ask({ agents: [crashing] });
    assert.deepEqual(texts, ['no-answer: node n1: pod ours/agent-n1: the agent does not run: CrashLoopBackOff']);
    assert.equal(asked.length, 0);
  });

  it('fails if there are no agents', async () => {
    await assert.rejects(ask({ agents: [] }), /no agent pod found \(app=x\): install Postern/);
    await assert.rejects(
      ask({ agents: [], options: { agentNamespace: 'ours' } }),
      /no agent of Postern is in namespace "ours"/,
    );
  });

  it('says how to name a cluster where there is none', async () => {
    const get = () => Promise.reject(new Error('connect ECONNREFUSED 127.0.0.1:6443'));
    await assert.rejects(ask({ agents: [], options: { client: { get } } }), {
      message: 'cannot read the cluster: connect ECONNREFUSED 127.0.0.1:6443; name one with --kubeconfig',
    });
    await assert.rejects(doctorCommand().parseAsync(['--kubeconfig', '/nonexistent/config'], { from: 'user' }), {
      message: 'cannot read the cluster: kubeconfig: no such file: /nonexistent/config; name one with --kubeconfig',
    });
  });
});
