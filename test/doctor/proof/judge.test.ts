import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Known } from '../../../src/doctor/facts.ts';
import {
  concernedNodes,
  Judge,
  longestSilence,
  type NodeAnswers,
  type PolicyProof,
} from '../../../src/doctor/proof/judge.ts';
import { readNodePolicies } from '../../../src/doctor/proof/read-policies.ts';
import { wantedPolicies } from '../../../src/doctor/proof/wanted.ts';
import { prepareCluster } from '../../../src/evaluator/cluster.ts';
import type { NodePolicies } from '../../../src/model/node-policies.ts';
import { defaultTiming } from '../../../src/watch/watch.ts';
import { clusterPolicy, namespace, node, pod, policy } from '../../support/objects.ts';
import { removeOf, upsertOf, type ApiObject } from '../../support/pipeline.ts';
import { PoliciesAgent } from '../../support/policies-agent.ts';

const versioned = (object: ApiObject, generation: number, more: object = {}): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, generation, resourceVersion: `r${generation}`, ...more },
});
const web = versioned(policy('x/web', { podSelector: { matchLabels: { app: 'web' } }, ingress: [] }), 1);
const guard = versioned(clusterPolicy('guard', { egress: [] }), 1);
const [a, b] = [
  pod('x/a', { node: 'n1', ips: ['10.1.0.1', 'fd00::1'], labels: { app: 'web' } }),
  pod('x/b', { node: 'n2', ips: ['10.2.0.1'], labels: { app: 'web' } }),
];
const cluster = [namespace('x'), node('n1'), node('n2'), node('n3'), web, guard, a, b];
const agents = () => new Map(['n1', 'n2'].map((name) => [name, new PoliciesAgent(name, cluster).apply()]));

/** What `judge` says of policy x/web. */
function prove(objects: readonly ApiObject[], answers: NodeAnswers, id = 'x/web'): PolicyProof {
  const wanted = wantedPolicies(objects, prepareCluster(objects));
  return new Judge(answers).prove(wanted.get(id)!);
}

function told(of: ReadonlyMap<string, PoliciesAgent>): Map<string, { value: NodePolicies }> {
  const parsed = (agent: PoliciesAgent): NodePolicies =>
    readNodePolicies(JSON.parse(JSON.stringify(agent.page)) as unknown)!;
  return new Map(Array.from(of, ([name, agent]) => [name, { value: parsed(agent) }]));
}

const reasons = ({ lagging }: PolicyProof): string[] => lagging.map(({ node: name, why }) => `${name}: ${why}`);

describe('the proof that policies are in force', () => {
  it('is given if every node with selected pods holds the policy for them', () => {
    const proof = prove(cluster, told(agents()));
    deepEqual([proof.isProven, proof.nodes, proof.holding, proof.pods], [true, 2, 2, 2]);
    deepEqual(concernedNodes(wantedPolicies(cluster, prepareCluster(cluster)).values()), ['n1', 'n2']);
    equal(prove(cluster, told(agents()), '/guard').isProven, true);
  });

  it('concerns no node of pods that no node runs yet, or that have ended', () => {
    const pending = { ...pod('x/c', { labels: { app: 'web' } }), spec: { containers: [] } };
    const ended = pod('x/d', { node: 'n3', ips: ['10.3.0.1'], labels: { app: 'web' }, phase: 'Succeeded' });
    deepEqual(prove([...cluster, pending, ended], told(agents())).nodes, 2);
  });

  const later = new Map<string, readonly [object: ApiObject, id: string, why: RegExp]>([
    ['an older generation', [versioned(web, 2), 'x/web', /^its kernel holds generation 1, not 2$/]],
    ['a newer generation', [versioned(web, 0), 'x/web', /^its kernel holds generation 1, not 0$/]],
    ['a policy that was deleted and made anew', [versioned(web, 1, { uid: 'new' }), 'x/web', /same name .* deleted$/]],
    ['other annotations', [versioned(web, 1, { resourceVersion: 'r9' }), 'x/web', /labels or annotations/]],
    ['an older generation of a ClusterNetworkPolicy', [versioned(guard, 2), '/guard', /generation 1, not 2/]],
  ]);
  for (const [name, [object, id, why]] of later) {
    it(`is refused for ${name}`, () => {
      const objects = cluster.map((each) => (each.metadata.name === object.metadata.name ? object : each));
      const proof = prove(objects, told(agents()), id);
      deepEqual([proof.isProven, proof.holding, proof.lagging.map((each) => each.node)], [false, 0, ['n1', 'n2']]);
      for (const each of proof.lagging) match(each.why, why);
    });
  }

  it('does not ask for another version of a ClusterNetworkPolicy when its status is written', () => {
    const written = versioned(guard, 1, { resourceVersion: 'r9' });
    const objects = cluster.map((each) => (each === guard ? written : each));
    equal(prove(objects, told(agents()), '/guard').isProven, true);
  });

  it('is refused until the kernel holds what the agent has received', () => {
    const of = agents();
    const second = versioned(web, 2);
    const objects = cluster.map((each) => (each === web ? second : each));
    of.get('n1')!.receive(upsertOf(second));
    of.get('n2')!.receive(upsertOf(second));
    const apply = of.get('n1')!.plan();
    deepEqual(reasons(prove(objects, told(of))).length, 2);
    // Newer objects arrive while the kernel takes the plan.
    of.get('n1')!.receive(upsertOf(versioned(web, 3)));
    apply();
    deepEqual(reasons(prove(objects, told(of))), ['n2: its kernel holds generation 1, not 2']);
    of.get('n2')!.isSettled = false;
    of.get('n2')!.apply();
    equal(prove(objects, told(of)).isProven, false);
    of.get('n2')!.isSettled = true;
    equal(prove(objects, told(of)).isProven, true);
  });

  it('is refused for a policy that the agent has not received, or whose deletion it has', () => {
    const other = versioned(policy('x/other', { podSelector: {}, ingress: [] }), 1);
    match(reasons(prove([...cluster, other], told(agents()), 'x/other'))[0]!, /^n1: .*does not hold the policy yet$/);
    const of = agents();
    of.get('n1')!.receive(removeOf(web));
    of.get('n1')!.apply();
    deepEqual(reasons(prove(cluster, told(of))), ['n1: its kernel does not hold the policy yet']);
  });

  const pods = new Map<string, ApiObject>([
    ['that the agent has not seen', pod('x/new', { node: 'n1', ips: ['10.1.0.9'], labels: { app: 'web' } })],
    ['that was made anew', { ...a, metadata: { ...a.metadata, uid: 'new' } }],
    [
      'with another address',
      pod('x/a', { node: 'n1', ips: ['10.1.0.1', 'fd00::1', 'fd00::2'], labels: { app: 'web' } }),
    ],
    ['without an address that the agent has not seen', pod('x/new', { node: 'n1', labels: { app: 'web' } })],
  ]);
  for (const [name, object] of pods) {
    it(`is refused for a pod ${name}`, () => {
      const objects = [...cluster.filter((each) => each.metadata.name !== object.metadata.name), object];
      const { name: own } = object.metadata;
      deepEqual(reasons(prove(objects, told(agents()))), [
        `n1: its kernel does not have the rules of 1 pod yet: x/${own}`,
      ]);
    });
  }

  it('is refused for a pod that the agent knows, but not as one of the policy', () => {
    const plain = pod('x/c', { node: 'n1', ips: ['10.1.0.3'], labels: { app: 'other' } });
    const of = new Map([['n1', new PoliciesAgent('n1', [...cluster, plain]).apply()]]);
    of.set('n2', agents().get('n2')!);
    const labelled = pod('x/c', { node: 'n1', ips: ['10.1.0.3'], labels: { app: 'web' } });
    match(reasons(prove([...cluster, labelled], told(of)))[0]!, /^n1: .* 1 pod yet: x\/c$/);
    of.get('n1')!.receive(upsertOf(labelled));
    of.get('n1')!.apply();
    equal(prove([...cluster, labelled], told(of)).isProven, true);
  });

  it('is refused for a node that does not answer, says that it doubts, or was not asked', () => {
    const of = agents();
    of.get('n1')!.ready.report('rules', 'drift');
    const doubted: NodeAnswers = new Map<string, Known<NodePolicies>>([
      ...told(of),
      ['n2', { unknown: 'it has no agent' }],
    ]);
    deepEqual(reasons(prove(cluster, doubted)), ['n1: the node is not ready: rules: drift', 'n2: it has no agent']);
    of.get('n1')!.ready.report('rules', undefined);
    of.get('n1')!.isCertain = false;
    match(reasons(prove(cluster, told(of)))[0]!, /^n1: another program may have changed/);
    deepEqual(reasons(prove(cluster, new Map())), ['n1: it was not asked', 'n2: it was not asked']);
    const started = new Map([...agents(), ['n1', new PoliciesAgent('n1', cluster)] as const]);
    deepEqual(reasons(prove(cluster, told(started))), [
      'n1: its agent has not applied the policies of the cluster yet',
    ]);
  });

  it('is refused for a node to which the API server has sent nothing for longer than a quiet cluster is silent', () => {
    const of = agents();
    const { silenceMs, backoff } = defaultTiming;
    // What an agent waits at most while nothing changes, and the API server sends no bookmarks.
    of.get('n1')!.silentSeconds = (silenceMs + backoff.maxMs) / 1000 + 10;
    equal(prove(cluster, told(of)).isProven, true);
    of.get('n1')!.silentSeconds = longestSilence - 1;
    equal(prove(cluster, told(of)).isProven, true);
    of.get('n1')!.silentSeconds = longestSilence;
    const silent = prove(cluster, told(of));
    deepEqual([silent.isProven, reasons(silent)], [false, ['n1: the API server has sent its agent nothing for 210 s']]);
  });

  it('is refused for a policy whose rules a node leaves out', () => {
    const of = agents();
    of.set('n1', new PoliciesAgent('n1', cluster, ['x/web', '/guard']).apply());
    for (const id of ['x/web', '/guard']) {
      match(reasons(prove(cluster, told(of), id))[0]!, /^n1: it leaves its rules out, because the kernel refuses them/);
    }
  });

  const issue = { kind: 'pod', object: 'x/a', path: 'status.podIPs', message: 'm' } as const;
  it('is refused for a pod whose packets bypass the node, and names it', () => {
    for (const [code, effect, blocks] of [
      ['not-enforceable', 'not-enforced', true],
      ['contested-address', 'failed-closed', true],
      ['not-guarded', 'not-enforced', false],
      ['node-address', 'ignored', false],
    ] as const) {
      const of = agents();
      of.get('n1')!.issues = [{ ...issue, code, effect }];
      const { isProven, exceptions, lagging } = prove(cluster, told(of));
      deepEqual([isProven, lagging], [!blocks, []], code);
      deepEqual(exceptions, [{ pod: 'x/a', node: 'n1', why: 'm', blocks }]);
    }
  });

  it('is refused for a pod that its node cannot see yet', () => {
    const of = agents();
    of.get('n1')!.pending.set('x/a/x/a', [{ code: 'not-enforceable', effect: 'not-enforced', message: 'm' }]);
    const { isProven, exceptions } = prove(cluster, told(of));
    deepEqual([isProven, exceptions], [false, [{ pod: 'x/a', node: 'n1', why: 'm', blocks: true }]]);
  });

  it('names pods on the host network, and does not wait for their nodes', () => {
    const host = pod('x/host', { node: 'n3', ips: ['192.0.2.3'], labels: { app: 'web' }, hostNetwork: true });
    const { isProven, nodes, exceptions } = prove([...cluster, host], told(agents()));
    deepEqual([isProven, nodes, exceptions.map((each) => each.pod)], [true, 2, ['x/host']]);
  });

  it('is refused for a policy that no node enforces, and tells its invalid parts', () => {
    const unplaced = versioned(clusterPolicy('odd', { tier: 'Other' }), 1);
    const proof = prove([...cluster, unplaced], told(agents()), '/odd');
    deepEqual([proof.isProven, proof.nodes], [false, 0]);
    match(proof.notEnforced!, /spec\.tier: "Other"/);
    const partly = versioned(policy('x/partly', { podSelector: {}, ingress: [{ from: [{}] }] }), 1);
    match(prove([...cluster, partly], new Map(), 'x/partly').issues[0]!, /^spec\.ingress\[0\]\.from\[0\]/);
  });

  it('tells on which nodes the port names of a policy have more numbers than the node knows (S10.17)', () => {
    const of = agents();
    const message = 'pods declare more …';
    const issue = { path: 'spec.ingress', message, effect: 'failed-closed' } as const;
    for (const name of ['n1', 'n2'])
      of.get(name)!.issues = [{ kind: 'policy', object: 'x/web', code: 'unknown-port-numbers', ...issue }];
    const { isProven, issues } = prove(cluster, told(of));
    deepEqual([isProven, issues], [true, [`${message} (on n1, n2)`]]);
    // Other issues of a policy are in the object, where the judge reads them.
    of.get('n1')!.issues = [{ kind: 'policy', object: 'x/web', code: 'invalid-cidr', ...issue }];
    deepEqual(prove(cluster, told(of)).issues, [`${message} (on n2)`]);
  });

  it('is refused for a policy in audit, although every node holds it (S13.1)', () => {
    const audited = versioned(web, 1, { annotations: { 'postern.dev/mode': 'audit' } });
    const proof = prove(
      cluster.map((each) => (each === web ? audited : each)),
      told(agents()),
    );
    equal(proof.isProven, false);
    match(proof.notEnforced!, /^it is in audit: postern audit lists what it would deny$/);
  });

  it('believes no page of another form', () => {
    const { page } = agents().get('n1')!;
    const policies = [{ id: 'x/web', uid: 'u', generation: 1 }];
    const wrong: unknown[] = [
      ...[undefined, null, [], {}, { ...page, policies: {} }, { ...page, pods: [{ ...page.pods[0], policies: [7] }] }],
      ...[
        { ...page, doubt: 1 },
        { ...page, policies: [{ ...policies[0], generation: '1' }] },
      ],
      ...[
        { ...page, pods: [{ ...page.pods[0], policies: [-1] }] },
        { ...page, pods: [{ pod: 'x/a' }] },
      ],
      { ...page, policies: [{ ...policies[0], leftOut: 'because' }] },
      { ...page, policies: [{ ...policies[0], issues: [{ code: 'x' }] }] },
    ];
    deepEqual(
      wrong.map((each) => readNodePolicies(each)),
      wrong.map(() => undefined),
    );
    deepEqual(readNodePolicies(page), page);
  });
});
