import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { describeNode } from '../../src/agent/node-state.ts';
import { Reporter } from '../../src/agent/report.ts';
import { readNodeState } from '../../src/doctor/read-state.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { startPipeline, upsertOf } from '../support/pipeline.ts';

const ready = new Checks(['rules', 'gate']);
ready.report('rules', 'not yet');
ready.note('gate', 'on');

describe('what an agent tells of its node', () => {
  it('is the pods of the node with the policies that isolate them, and its checks', () => {
    const pipeline = startPipeline('n1', [
      namespace('x'),
      pod('x/web', { uid: 'u1', ips: ['10.1.0.1', 'fd00::1'] }),
      pod('x/open', { ips: ['10.1.0.2'], labels: { open: 'yes' } }),
      pod('x/elsewhere', { node: 'n2', ips: ['10.2.0.1'] }),
      policy('x/in', { podSelector: { matchExpressions: [{ key: 'open', operator: 'DoesNotExist' }] } }),
      policy('x/out', {
        podSelector: { matchExpressions: [{ key: 'open', operator: 'DoesNotExist' }] },
        policyTypes: ['Egress'],
      }),
    ]);
    const links = new Map([['10.1.0.1', { device: 'cni0', port: 'veth-a' }]]);
    pipeline.receive({ op: 'links', links });
    const live = new Checks([]);
    const known = {
      node: 'n1',
      version: '1.2.3',
      applied: undefined,
      startGate: true,
      live,
      ready,
      pipeline,
      issues: [],
    };
    const state = describeNode(known);
    assert.deepEqual(state, {
      node: 'n1',
      version: '1.2.3',
      live: [],
      ready: [
        { name: 'rules', reason: 'not yet' },
        { name: 'gate', note: 'on' },
      ],
      startGate: true,
      gatedRanges: [],
      pods: [
        {
          pod: 'x/web',
          addresses: ['10.1.0.1', 'fd00::1'],
          links: { '10.1.0.1': { device: 'cni0', port: 'veth-a' } },
          ingress: ['x/in'],
          egress: ['x/out'],
        },
        { pod: 'x/open', addresses: ['10.1.0.2'], links: {}, ingress: [], egress: [] },
      ],
      unknownPods: [],
      issues: [],
    });
    assert.deepEqual(readNodeState(JSON.stringify(state)), state);
  });

  it('is not read from anything else', () => {
    for (const text of ['', 'null', '{}', '{"node":"n1"}', 'no such page'])
      assert.equal(readNodeState(text), undefined);
  });

  it('has what is wrong with objects, by whose it is', () => {
    const reporter = new Reporter({
      node: 'n1',
      logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
      metrics: createMetrics('1.2.3'),
      ready,
      announce: () => {},
    });
    reporter.received(
      upsertOf(policy('x/odd', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'no' } }] }] })),
    );
    const issue = { code: 'not-guarded', path: 'status.podIPs', message: 'm', effect: 'not-enforced' } as const;
    reporter.unenforceable(new Map([['x/web/u1', [issue]]]));
    assert.deepEqual(
      reporter.issues.map(({ kind, object, code }) => [kind, object, code]),
      [
        ['policy', 'x/odd', 'invalid-cidr'],
        ['pod', 'x/web', 'not-guarded'],
      ],
    );
    reporter.unenforceable(new Map());
    assert.equal(reporter.issues.length, 1);
  });
});
