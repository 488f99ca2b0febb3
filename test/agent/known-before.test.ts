import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { countKnown } from '../../src/agent/known-before.ts';
import { createLookBack } from '../../src/agent/look-back.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import type { SavedState } from '../../src/state/saved-state.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';

const none = { networkpolicies: 0, clusternetworkpolicies: 0, pods: 0, namespaces: 0, nodes: 0 };
const some = { networkpolicies: 1, clusternetworkpolicies: 0, pods: 1, namespaces: 1, nodes: 1 };
const tablesOf = (...objects: readonly ApiObject[]): Ruleset => compileNode('n1', [namespace('x'), ...objects]);
const saved = { policies: new Map([['x/p', {}]]), localPods: new Map() } as unknown as SavedState;

describe('what a node knew before its agent started (S7.18)', () => {
  const pods = [pod('x/a', { ips: ['10.1.0.1', 'fd01::1'] }), pod('x/b', { ips: ['10.1.0.2'] })];

  it('is nothing where no rules and no state are kept, nor where the rules are of no pod', () => {
    assert.deepEqual(countKnown({ tables: undefined, saved: undefined }), none);
    assert.deepEqual(countKnown({ tables: tablesOf(), saved: undefined }), none);
  });

  it('is the pods that the rules name, also those that nothing isolates', () => {
    const known = countKnown({ tables: tablesOf(...pods), saved: undefined });
    assert.deepEqual(known, { networkpolicies: 0, clusternetworkpolicies: 0, pods: 3, namespaces: 1, nodes: 1 });
  });

  for (const [direction, family, ips] of [
    ['Ingress', 'IPv4', ['10.1.0.1']],
    ['Egress', 'IPv4', ['10.1.0.1']],
    ['Ingress', 'IPv6', ['fd01::1']],
    ['Egress', 'IPv6', ['fd01::1']],
  ] as const) {
    it(`is a policy where the rules isolate a pod for ${direction} in ${family}`, () => {
      const tables = tablesOf(pod('x/a', { ips }), policy('x/p', { podSelector: {}, policyTypes: [direction] }));
      assert.deepEqual(countKnown({ tables, saved: undefined }), some);
    });
  }

  it('is what was kept where no rules are, and a policy kept has a pod, a namespace and a node', () => {
    assert.deepEqual(countKnown({ tables: undefined, saved }), some);
    // Rules that name pods are newer.
    const unisolated = countKnown({ tables: tablesOf(pod('x/a', { ips: ['10.1.0.1'] })), saved });
    assert.deepEqual(unisolated, { networkpolicies: 0, clusternetworkpolicies: 0, pods: 1, namespaces: 1, nodes: 1 });
  });

  it('is what was saved where the rules name no pod, as those that the boot unit loads', () => {
    assert.deepEqual(countKnown({ tables: tablesOf(), saved }), some);
  });

  it('is a ClusterNetworkPolicy, and no NetworkPolicy, where only such a policy can deny the pod anything', () => {
    const rules = (action: string) => ({
      ingress: [{ action, from: [{ namespaces: {} }] }],
      egress: [{ action, to: [{ networks: ['10.9.0.0/16', 'fd09::/64'] }] }],
    });
    const guard = (action: string): ApiObject => ({
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'guard', uid: 'guard' },
      spec: { tier: 'Admin', priority: 1, subject: { namespaces: {} }, ...rules(action) },
    });
    const ofCluster = { networkpolicies: 0, clusternetworkpolicies: 1, pods: 3, namespaces: 1, nodes: 1 };
    assert.deepEqual(countKnown({ tables: tablesOf(...pods, guard('Deny')), saved: undefined }), ofCluster);
    assert.deepEqual(countKnown({ tables: tablesOf(...pods, guard('Deny')), saved }), ofCluster);
    const accepting = tablesOf(...pods, guard('Accept'), policy('x/p', { podSelector: {} }));
    assert.equal(countKnown({ tables: accepting, saved: undefined }).clusternetworkpolicies, 1);
    // Beside one that isolates a single pod, or the same pods.
    for (const podSelector of [{}, { matchLabels: { app: 'none' } }]) {
      // A Deny beside isolation is a trace of both, and so is an Accept.
      const selected = pod('x/c', { ips: ['10.1.0.3'], labels: { app: 'none' } });
      const tables = tablesOf(...pods, selected, guard('Deny'), policy('x/p', { podSelector }));
      const { networkpolicies, clusternetworkpolicies } = countKnown({ tables, saved: undefined });
      assert.deepEqual([networkpolicies, clusternetworkpolicies], [1, 1]);
    }
  });

  it('counts saved policies of the cluster by themselves', () => {
    const ofCluster = { ...saved, policies: new Map([['/guard', {}]]) } as unknown as SavedState;
    const known = countKnown({ tables: undefined, saved: ofCluster });
    assert.deepEqual(known, { ...some, networkpolicies: 0, clusternetworkpolicies: 1 });
  });

  it('may be anything where the rules cannot be read', () => {
    assert.deepEqual(countKnown({ tables: 'unknown', saved: undefined }), some);
    const guard = { policies: new Map([['/guard', {}]]), localPods: new Map() } as unknown as SavedState;
    assert.deepEqual(countKnown({ tables: 'unknown', saved: guard }), { ...some, clusternetworkpolicies: 1 });
  });
});

describe('the look back', () => {
  const lookBack = async (observe: () => Promise<Ruleset | undefined>, kept?: SavedState) => {
    const looks: string[] = [];
    const ask = createLookBack({
      observe: () => {
        looks.push('tables');
        return observe();
      },
      readSaved: async () => {
        looks.push('saved');
        return kept;
      },
    });
    const counts = [await ask('networkpolicies'), await ask('pods')];
    return [counts, looks] as const;
  };
  const nothing = async () => undefined;

  it('looks at the rules, or where there are none at what was kept, and once', async () => {
    const isolated = tablesOf(pod('x/a', { ips: ['10.1.0.1'] }), policy('x/p', { podSelector: {} }));
    assert.deepEqual(await lookBack(async () => isolated, saved), [[1, 1], ['tables']]);
    assert.deepEqual(await lookBack(nothing, saved), [
      [1, 1],
      ['tables', 'saved'],
    ]);
    assert.deepEqual(await lookBack(nothing), [
      [0, 0],
      ['tables', 'saved'],
    ]);
    const ofBootUnit = async () => tablesOf();
    assert.deepEqual(await lookBack(ofBootUnit, saved), [
      [1, 1],
      ['tables', 'saved'],
    ]);
  });

  it('takes what it cannot read for something', async () => {
    const fails = async () => Promise.reject(new Error('no nft'));
    assert.deepEqual(await lookBack(fails), [[1, 1], ['tables']]);
  });
});
