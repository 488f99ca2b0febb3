import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { Kernel } from '../nftables/kernel.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';
import { clusters, shapeLimits } from '../support/random-cluster.ts';
import { skipTest } from '../support/skip.ts';

describe('the real kernel', function () {
  this.timeout(0);
  let kernel: Kernel;

  before(function () {
    const opened = Kernel.open('adoption');
    if (typeof opened === 'string') skipTest(this, opened);
    kernel = opened;
  });

  after(() => kernel?.close());

  it('takes every stage from one random cluster to the next, and lists what we wrote: a restart writes nothing', () => {
    fc.assert(
      fc.property(fc.array(clusters, { minLength: 2, maxLength: 3 }), shapeLimits, (history, limits) => {
        kernel.reset();
        let applied: Ruleset | undefined;
        for (const objects of history) {
          const desired = compileNode('n1', objects, limits);
          const plan = planStages(desired, applied);
          for (const stage of plan.stages) assertTaken(renderScript(stage.operations));
          applied = kernel.list();
          assert.deepEqual(planSweep(applied).stages, []);
          assert.deepEqual(planStages(desired, applied).stages, []);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('takes hostile names, long lists and blocks that overlap (S9.12, S3.10)', () => {
    kernel.reset();
    assertTaken(
      renderScript(
        planStages(compileNode('n1', hostileCluster()), undefined).stages.flatMap(({ operations }) => operations),
      ),
    );
    assert.deepEqual(planStages(compileNode('n1', hostileCluster()), kernel.list()).stages, []);
  });

  function assertTaken(script: string): void {
    assert.equal(kernel.run(script), undefined, script.slice(0, 2000));
  }
});

function hostileCluster(): ApiObject[] {
  const label = 'l'.repeat(63);
  const names = ['add', 'table', 'drop', 'x'.repeat(253), 'a.b-c', '0'];
  const overlapping = Array.from({ length: 2000 }, (_, index) => ({
    ipBlock: { cidr: `10.${index % 8}.${index % 251}.${(index * 7) % 256}/${8 + (index % 25)}`, except: [] },
  }));
  const everything = [
    { ipBlock: { cidr: '0.0.0.0/0', except: ['128.0.0.0/1', '10.0.0.0/8', '10.1.0.0/16'] } },
    { ipBlock: { cidr: '::/0', except: ['8000::/1', '::/128', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128'] } },
    { ipBlock: { cidr: '127.255.255.255/32' } },
  ];
  const namespaces = Array.from({ length: 300 }, (_, index) => `namespace-${index}`);
  return [
    ...namespaces.map((name): ApiObject => ({
      kind: 'Namespace',
      metadata: { name, uid: name, labels: { [label]: label } },
    })),
    ...namespaces.map((namespace, index): ApiObject => ({
      kind: 'Pod',
      metadata: { namespace, name: 'pod', uid: namespace, labels: { [label]: label, app: 'x' } },
      spec: { nodeName: index < 10 ? 'n1' : 'n2' },
      status: {
        phase: 'Running',
        podIPs: [{ ip: `10.9.${index >> 8}.${index & 255}` }, { ip: `fd09::${index.toString(16)}` }],
      },
    })),
    ...names.map((name, index): ApiObject => ({
      kind: 'NetworkPolicy',
      metadata: { namespace: namespaces[index]!, name, uid: name },
      spec: {
        podSelector: { matchLabels: { [label]: label } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: overlapping,
            ports: [
              { port: 1, endPort: 65535 },
              { port: 53, protocol: 'UDP' },
            ],
          },
          { from: everything },
        ],
        egress: [
          { to: everything, ports: [{ protocol: 'SCTP' }, { port: 80 }] },
          { to: [{ namespaceSelector: { matchLabels: { [label]: label } } }], ports: [{ port: 80, endPort: 90 }] },
        ],
      },
    })),
  ];
}
