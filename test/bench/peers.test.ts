import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { policyObjects } from '../../bench/packets/policies.ts';
import { calico } from '../../bench/peers/calico.ts';
import { countObjects } from '../../bench/peers/count-objects.ts';
import { kubeRouter } from '../../bench/peers/kube-router.ts';
import { peerNode, scriptOf } from '../../bench/peers/peer.ts';

describe('the chains of other engines', () => {
  it('say where their structure is from, by file, version and date', () => {
    const node = peerNode(policyObjects(10));
    for (const peer of [kubeRouter, calico]) {
      const [header] = scriptOf(peer, node).split('\n');
      assert.match(
        header!,
        /^# .+ in nftables mode, written by Postern from (pkg|felix)\/.+, v\d\S+, \d{4}-\d\d-\d\d$/,
      );
    }
  });

  it('are counted in the listing of the kernel', () => {
    const listing = {
      nftables: [
        { metainfo: { version: '1.1.3' } },
        { table: { family: 'ip', name: 't' } },
        { set: { name: 'full', elem: ['10.0.0.1', { prefix: { addr: '10.1.0.0', len: 16 } }] } },
        { set: { name: 'empty' } },
        { map: { name: 'm', elem: [['a', { goto: { target: 'c' } }]] } },
        { chain: { name: 'c' } },
        { rule: { chain: 'c', expr: [{ counter: { packets: 0 } }] } },
        { rule: { chain: 'c', expr: [{ accept: null }] } },
      ],
    };
    assert.deepEqual(countObjects(JSON.stringify(listing)), { chains: 1, rules: 2, 'sets and maps': 3, elements: 3 });
  });
});
