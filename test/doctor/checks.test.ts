import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { nodeChecks } from '../../src/doctor/checks.ts';
import { clusterChecks } from '../../src/doctor/cluster.ts';
import type { NodeFacts } from '../../src/doctor/facts.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { judgeNode, readNodeReport } from '../../src/doctor/report.ts';
import { expectDocTable } from '../support/doc-table.ts';
import { foreignRules } from './foreign-rules.ts';
import { healthy, healthyState, podState, withFlowTable, withState } from './healthy.ts';

function find(facts: NodeFacts): Finding[] {
  return [...judgeNode('n1', facts).findings];
}

function theOnly(facts: NodeFacts): Finding {
  const findings = find(facts);
  assert.equal(findings.length, 1, JSON.stringify(findings));
  return findings[0]!;
}

const summary = ({ check, subject, problem, pods, policies }: Finding): string =>
  `${check}: ${subject}: ${problem} [${pods.join()}] [${policies.join()}]`;

describe('the checks of the doctor', () => {
  it('are listed in the docs', async () => {
    const rows = [
      ...nodeChecks.map((check) => ({ ...check, of: 'node' })),
      ...clusterChecks.map((check) => ({ ...check, of: 'cluster' })),
    ].map(({ id, severity, of, finds, effect, remedy }) => [`\`${id}\``, of, severity, finds, effect, remedy]);
    await expectDocTable(
      'docs/reference/doctor.md',
      ['Check', 'Of', 'Severity', 'What is wrong', 'What follows', 'What to do'],
      rows,
    );
  });

  it('have unique names', () => {
    const ids = [...nodeChecks, ...clusterChecks].map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('find nothing on a healthy node', () => assert.deepEqual(find(healthy), []));

  it('list errors first', () => {
    const facts = { ...healthy, conntrack: { value: { count: 900, max: 1000 } }, api: { unknown: 'x' } };
    assert.deepEqual(
      find(facts).map(({ check }) => check),
      ['api-server', 'conntrack-full'],
    );
  });

  it('say of a ClusterNetworkPolicy whether an invalid part closes or opens', () => {
    const path = 'spec.tier';
    const issue = { kind: 'policy', object: '/guard', path, message: 'm' } as const;
    const facts = withState({
      pods: [podState('shop/a', '10.244.1.2', { ingress: ['/guard', 'shop/q'] })],
      issues: [
        { ...issue, code: 'invalid-peer', effect: 'failed-closed' },
        { ...issue, code: 'too-large', effect: 'failed-closed' },
        { ...issue, code: 'invalid-order', effect: 'not-enforced' },
        { ...issue, code: 'invalid-peer', effect: 'ignored' },
      ],
    });
    const found = find(facts).filter(({ check }) => check === 'object');
    assert.deepEqual(
      found.map(({ severity, effect }) => `${severity}: ${effect}`),
      [
        'error: no node enforces the policy: what it should deny is open',
        'warning: if the rule is a Deny or Pass, its direction is denied from there on, and an Accept rule matches nothing',
        'warning: each direction with a Deny or Pass rule is denied from there on, and an Accept rule matches nothing',
        'warning: this part of the policy does nothing',
      ],
    );
    assert.deepEqual(
      summary(found[1]!),
      'object: ClusterNetworkPolicy guard: spec.tier: m [shop/a] [ClusterNetworkPolicy guard]',
    );
  });

  it('can be left out', () => {
    const facts = { ...healthy, conntrack: { value: { count: 900, max: 1000 } } };
    assert.deepEqual(judgeNode('n1', facts, new Set(['conntrack-full'])).findings, []);
  });

  it('list what they could not check, which is not a finding', () => {
    const unknown = { unknown: 'permission denied' };
    const facts = {
      ...healthy,
      own: unknown,
      conntrack: unknown,
      gonePods: unknown,
      ipvs: unknown,
      bridges: unknown,
      proxyMode: unknown,
      further: ['x'],
    };
    const report = judgeNode('n1', facts);
    assert.deepEqual(report.findings, []);
    assert.deepEqual(report.unknown, [
      "Postern's own rules: permission denied",
      'the bridges of pods: permission denied',
      'IPVS: permission denied',
      'the mode of kube-proxy: permission denied',
      'the conntrack table: permission denied',
      'connections to Services: permission denied',
      'x',
    ]);
  });

  it('say that pods are unknown without an agent', () => {
    const report = judgeNode('n1', { ...healthy, agent: { unknown: 'no answer' } });
    assert.deepEqual(
      report.findings.map(({ check, problem }) => [check, problem]),
      [['agent', 'no answer']],
    );
    assert.deepEqual(report.unknown, ['problems of single pods: only the agent can report them']);
  });

  it('name the affected pods and their policies', () => {
    const facts = {
      ...healthy,
      bridges: { value: [{ bridge: 'cni0', problem: 'p', addresses: ['10.244.1.3', '10.244.1.4'] }] },
    };
    assert.equal(summary(theOnly(facts)), 'bridge-netfilter: bridge cni0: p [shop/b] [shop/q]');
    assert.equal(
      summary(theOnly({ ...healthy, nft: { program: 'p' } })),
      'nft: node: p [shop/a,shop/b] [shop/p,shop/q]',
    );
  });

  describe('on recorded answers, for faults that this kernel or a test cannot make', () => {
    it('find a flowtable (libnftables-json(5); the kernel of the tests has none)', () => {
      assert.equal(
        summary(theOnly(withFlowTable)),
        'flow-tables: table inet fw4: flowtable ft on eth0, cni0 [shop/a,shop/b] [shop/p,shop/q]',
      );
    });

    it('find a kernel without tables for bridges, if pods are on a bridge', () => {
      const nft = { bridgeTables: 'this kernel has no nftables for bridges' };
      const { check, severity, pods } = theOnly({ ...healthy, nft });
      assert.deepEqual([check, severity, pods], ['bridge-tables', 'warning', ['shop/b']]);
      assert.deepEqual(find({ ...withState({ pods: [podState('shop/a', '10.244.1.2')] }), nft }), []);
    });

    it('find pods that are not enforceable or not guarded (recorded from an agent, which reports them after a minute)', () => {
      const path = 'status.podIPs';
      const macvlan =
        "this node reaches 192.0.2.8 by eth0 (ifb), not by a veth, a tap or a bridge: packets of the pod can bypass the node's rules, as with macvlan, ipvlan, SR-IOV and host-device, and no policy applies to them: use a CNI plugin that routes or bridges pods on the node";
      const unknown =
        "this node does not know the device of 10.244.1.131, so the guard cannot stop this pod from sending with the address of another pod: use a container runtime that keeps libcni's result cache, such as containerd or CRI-O, with a CNI plugin that names the device";
      const issues = [
        { kind: 'pod', object: 'shop/a', code: 'not-enforceable', path, message: macvlan, effect: 'not-enforced' },
        { kind: 'pod', object: 'shop/c', code: 'not-guarded', path, message: unknown, effect: 'not-enforced' },
        {
          kind: 'policy',
          object: 'shop/q',
          code: 'too-large',
          path: 'spec',
          message: 'needs …',
          effect: 'failed-closed',
        },
      ] as const;
      assert.deepEqual(find(withState({ issues })).map(summary), [
        `not-enforceable: pod shop/a: ${path}: ${macvlan} [shop/a] [shop/p,shop/q]`,
        `not-guarded: pod shop/c: ${path}: ${unknown} [shop/c] []`,
        'object: policy shop/q: spec: needs … [shop/a,shop/b] [shop/q]',
      ]);
    });

    it('find a ClusterNetworkPolicy whose port names the node does not know on each pod (S10.17)', () => {
      const message = 'pods declare more …';
      const issue = { code: 'unknown-port-numbers', path: 'spec.egress', message, effect: 'failed-closed' } as const;
      const found = theOnly(withState({ issues: [{ kind: 'policy', object: '/guard', ...issue }] }));
      assert.equal(
        summary(found),
        `object: ClusterNetworkPolicy guard: spec.egress: ${message} [] [ClusterNetworkPolicy guard]`,
      );
      assert.equal(found.effect, 'the node denies some connections that the policy does not deny');
    });

    it('find a sandbox of an unknown pod (test/sandboxes tests that its node denies)', () => {
      assert.equal(
        summary(theOnly(withState({ unknownPods: ['x/gone'] }))),
        'unknown-sandbox: sandbox x/gone: the API server has no such pod [x/gone] []',
      );
    });

    it('find a start gate that is off, unless a flag turns it off', () => {
      const ready = [{ name: 'gate', note: 'off: the pod ranges of this node are unknown' }];
      assert.equal(
        summary(theOnly(withState({ ready, gatedRanges: [] }))),
        'start-window: node: the start gate is off: the pod ranges of this node are unknown [] []',
      );
      assert.deepEqual(find(withState({ ready, gatedRanges: [], startGate: false })), []);
    });

    it('find a kernel whose lookups may miss a replaced element (release names of kernel.org and distributors)', () => {
      const of = (kernel: string) => find({ ...healthy, kernel }).map(summary);
      const problem = 'has the fix only if its distributor has backported it [shop/a,shop/b] [shop/p,shop/q]';
      for (const old of [
        '5.13',
        '5.14.0-570.el9.x86_64',
        '6.1.155',
        '6.8.0-85-generic',
        '6.12.47',
        '6.15.11',
        '6.16.7',
      ]) {
        assert.deepEqual(of(old), [`kernel-lookups: kernel: Linux ${old} ${problem}`]);
      }
      for (const fixed of ['6.12.48+deb13-amd64', '6.16.8', '6.17.0-5-generic', '6.18.44', '7.0.0-rc1', 'unknown']) {
        assert.deepEqual(of(fixed), [], fixed);
      }
    });

    it('find pods of another node in the pod range of this one', () => {
      assert.equal(
        summary(theOnly(withState({ gateClaims: [{ node: 'n9', addresses: 600, pass: false }] }))),
        'claimed-range: node n9: its pods claim 600 gated addresses of this node, which do not pass the start gate [] []',
      );
    });

    it('find a stuck agent loop', () => {
      const live = [{ name: 'loop', reason: 'a change has been under way for 400 s' }];
      const { check, subject } = theOnly(withState({ live }));
      assert.deepEqual([check, subject], ['agent-ready', 'agent check loop']);
    });

    it('find a slow API server, and do not blame the clock for it', () => {
      const slow = { ...healthy, api: { value: { roundTripMs: 7000, aheadMs: -36_000 } } };
      assert.equal(theOnly(slow).check, 'slow-api-server');
      const ahead = { ...healthy, api: { value: { roundTripMs: 7, aheadMs: 36_000 } } };
      assert.equal(theOnly(ahead).problem, "it is 36 s ahead of the API server's");
      assert.deepEqual(find({ ...healthy, api: { value: { roundTripMs: 7, aheadMs: undefined } } }), []);
    });
  });

  it('report a check of both agent and doctor once, from the doctor', () => {
    const ready = ['nft', 'nf_tables', 'ipvs', 'bridge-netfilter', 'flow-tables'].map((name) => ({
      name,
      reason: 'wrong',
    }));
    assert.deepEqual(find(withState({ ready })), []);
    assert.equal(find(withState({ ready: [...ready, { name: 'lists', reason: 'waiting' }] })).length, 1);
  });

  it('do not report a masquerade on ingress: the rules check the pod before, by its own address', () => {
    const rules = foreignRules({
      p: {
        hook: 'postrouting 100',
        rules: [[{ match: { op: '==', left: { meta: { key: 'oifname' } }, right: 'veth-a' } }, { masquerade: null }]],
      },
    });
    assert.deepEqual(find({ ...healthy, remotePods: [], foreign: { rules, unreadable: [] } }), []);
    assert.deepEqual(find({ ...healthy, foreign: { rules, unreadable: [] } }), []);
  });

  it('end soon on a rule set with endless branches', () => {
    const inner = Array.from({ length: 16 }, (_, index) => [
      `c${index}`,
      { rules: Array.from({ length: 50 }, () => [{ jump: { target: `c${index + 1}` } }]) },
    ]);
    const rules = foreignRules({
      f: { hook: 'forward 0', rules: [[{ jump: { target: 'c0' } }]] },
      ...Object.fromEntries(inner),
    });
    const report = judgeNode('n1', { ...healthy, foreign: { rules, unreadable: [] } });
    assert.deepEqual(report.findings, []);
    assert.deepEqual(report.unknown, ['some rules of other programs: there are too many']);
  });
});

describe('the report of a node', () => {
  it('reads back its own output', () => {
    const report = judgeNode('n1', { ...healthy, proxyMode: { value: 'ipvs' } });
    assert.deepEqual(readNodeReport(JSON.stringify(report)), report);
    assert.equal(report.findings.length, 1);
    assert.deepEqual(report.applied, healthyState.applied);
  });

  it('may come from another version, or be no report', () => {
    const other = {
      node: 'n1',
      version: '9',
      findings: [{ check: 'new', severity: 'odd', pods: [1, 'a'] }, null],
      applied: { a: 1 },
    };
    const read = readNodeReport(JSON.stringify(other));
    assert.deepEqual([read?.findings[0]?.severity, read?.findings[0]?.pods, read?.applied], ['error', ['a'], {}]);
    for (const text of ['', 'null', '[]', '{}', '{"node":"n1","version":"1"}'])
      assert.equal(readNodeReport(text), undefined);
  });
});
