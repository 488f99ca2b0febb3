import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { danglingIn } from '../support/dangling.ts';
import { clusterPolicy, namespace, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';

const everyone = [{ namespaces: {} }];

describe('the bridge table of a pod that NetworkPolicies and ClusterNetworkPolicies judge', () => {
  for (const [what, rules] of [
    ['deny', [{ action: 'Deny', from: everyone, protocols: [{ tcp: { destinationPort: { number: 81 } } }] }]],
    ['accept', [{ action: 'Accept', from: everyone, protocols: [{ tcp: { destinationPort: { number: 81 } } }] }]],
    [
      'accept and deny',
      [
        { action: 'Accept', from: everyone, protocols: [{ tcp: { destinationPort: { number: 81 } } }] },
        { action: 'Deny', from: everyone, protocols: [{ tcp: { destinationPort: { number: 82 } } }] },
      ],
    ],
  ] as const) {
    it(`has all that its class leads to, where they ${what}`, () => {
      const pipeline = startPipeline('n1', [
        namespace('x'),
        pod('x/a', { ips: ['10.1.0.1', 'fd01::1'] }),
        policy('x/np', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }] }),
        clusterPolicy('guard', { ingress: rules }),
      ]);
      pipeline.receive(sandbox('x/a', { ips: ['10.1.0.1', 'fd01::1'], link: { device: 'cni0', port: 'veth-a' } }));
      const { ruleset } = pipeline.plan(undefined).compiled;
      assert.ok([...ruleset.bridge!.chains.keys()].some((name) => name.startsWith('ingress-')));
      assert.deepEqual(danglingIn(ruleset), []);
    });
  }
});
