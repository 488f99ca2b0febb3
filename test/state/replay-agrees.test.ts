import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { noFillBudgets } from '../../src/indexer/admission.ts';
import type { PodKey } from '../../src/model/snapshot.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { replayState } from '../../src/state/replay.ts';
import { stateOf } from '../../src/state/saved-state.ts';
import { decodeState } from '../../src/state/state-text.ts';
import { encodeState } from './encode-state.ts';
import { syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { clusters, nodeNames, tieredClusters } from '../support/random-cluster.ts';
import { factChoices, factsOf } from '../support/random-facts.ts';

describe('a replayed state', function () {
  this.timeout(0);

  it('says what the cluster said of each sandbox and of the pods of other nodes, and denies the rest of this node', () => {
    const seen = { owned: 0, denied: 0, members: 0 };
    fc.assert(
      fc.property(fc.oneof(clusters, tieredClusters), factChoices, (objects, choices) => {
        const ofNodes = new Set(objects.filter(({ kind }) => kind === 'Node').flatMap(nodeAddressesOf));
        for (const node of nodeNames) {
          // The replay knows no link but that of a sandbox, and not which addresses are a Node's own (S1.12).
          // An agent that starts finds out from the kernel which addresses are denied for the connections of earlier pods (S5.17).
          const facts = factsOf(objects, node, { ...choices, links: [], unflushed: [] }).filter(
            (fact) => fact.op !== 'sandbox' || !fact.value?.addresses.some((each) => ofNodes.has(each)),
          );
          const live = new Pipeline(node);
          for (const event of [...objects.map(upsertOf), ...facts, ...syncedEvents()]) live.receive(event);
          const decoded = decodeState(encodeState(stateOf(live.snapshot), node));
          assert.ok('state' in decoded);
          const { gatedRanges } = decoded.state;
          const replayed = new Pipeline(node, { podCidrs: gatedRanges, fillBudgets: noFillBudgets });
          for (const event of replayState(decoded.state, node)) replayed.receive(event);
          const sandboxes = facts.filter((fact) => fact.op === 'sandbox');
          for (const fact of sandboxes) replayed.receive(fact);

          const [was, is] = [live.snapshot, replayed.snapshot];
          const held = new Set(sandboxes.flatMap(({ value }) => (value?.live ? value.addresses : [])));
          const saved = [...was.localPods.values()].flatMap(({ addresses }) => addresses);
          const deniedBefore = [...was.denied].flatMap(([address, ways]) => (ways.size > 0 ? [address] : []));
          // Of an address that several pods claim, the replay knows only that it is denied here.
          const ownDenied = new Set([...saved, ...deniedBefore]);
          const local = new Set([...held, ...saved, ...deniedBefore]);
          // The replay does not know a pod that was held back (S10.33).
          const known = [...was.localPods].filter(([, { isHeldBack }]) => !isHeldBack);
          assert.deepEqual([...is.localPods.keys()].sort(), known.map(([key]) => key).sort());
          for (const [key, pod] of is.localPods) {
            const before = was.localPods.get(key)!;
            assert.deepEqual(
              pod.addresses,
              before.addresses.filter((each) => held.has(each)),
              key,
            );
            assert.deepEqual([pod.policies, pod.ports, pod.mirrorOf], [before.policies, before.ports, before.mirrorOf]);
            for (const address of pod.addresses) assert.deepEqual(pod.links.get(address), before.links.get(address));
            seen.owned += pod.addresses.length;
          }
          const owned = new Set([...is.localPods.values()].flatMap(({ addresses }) => addresses));
          assert.deepEqual(new Set(is.denied.keys()), local.difference(owned));
          seen.denied += is.denied.size;
          const names = new Set([...was.localPods.keys()].map(nameOf));
          // Policies that select no pod of this node are not in force, nor are their groups.
          const inForce = new Set(known.flatMap(([, { policies }]) => policies));
          assert.deepEqual(new Set(is.policies.keys()), inForce);
          for (const [id, { members }] of is.groups) {
            for (const [key, member] of was.groups.get(id)!.members) {
              const own = is.localPods.get(key);
              // A pod of this node takes the place of one elsewhere that has its name.
              if (!own && names.has(nameOf(key))) continue;
              const expected = {
                ...member,
                addresses: own?.addresses ?? member.addresses.filter((each) => !ownDenied.has(each)),
              };
              assert.deepEqual(members.get(key), expected, `${key} in ${id}`);
              seen.members++;
            }
            for (const key of members.keys()) assert.ok(was.groups.get(id)!.members.has(key), `${key} in ${id}`);
          }
          assert.deepEqual([is.gatedRanges, is.nodeAddresses], [was.gatedRanges, was.nodeAddresses]);
          assert.equal(is.inSync, true);
        }
      }),
      { numRuns: 400 },
    );
    for (const [what, count] of Object.entries(seen)) assert.ok(count > 10, `${count} ${what}`);
  });
});

function nameOf(key: PodKey): string {
  return key.slice(0, key.lastIndexOf('/'));
}

function nodeAddressesOf({ status }: ApiObject): string[] {
  return (status as { addresses: { address: string }[] }).addresses.map(({ address }) => address);
}
