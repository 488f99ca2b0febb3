import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { inForceAt } from '../../bench/changes/in-force.ts';
import type { Stage } from '../../bench/changes/measured-node.ts';
import { pairSet } from '../../src/compile/set-builder.ts';
import type { Operation } from '../../src/nftables/ruleset.ts';

const cleanUp: Operation = { family: 'ip', verb: 'delete chain', name: 'old' };
const removal: Operation = {
  family: 'ip',
  verb: 'delete elements',
  set: pairSet('set', 'ipv4', []),
  elements: ['10.0.0.1'],
};
const stage = (name: Stage['name'], at: number, operation: Operation = cleanUp): Stage => ({
  name,
  at,
  operations: [operation],
});

describe('when a change is in force', () => {
  it('an addition with the switch stage, a removal with the break stage', () => {
    const both = [stage('make', 1), stage('switch', 2), stage('break', 3, removal), stage('delete', 4)];
    assert.equal(inForceAt(both, 'addition'), 2);
    assert.equal(inForceAt(both, 'removal'), 3);
  });

  it('a removal with the switch stage, if the pods move to another class', () => {
    const moved = [stage('make', 1), stage('switch', 2), stage('delete', 3), stage('delete', 4)];
    assert.equal(inForceAt(moved, 'removal'), 2);
  });

  it('an addition with the open stage, where what ClusterNetworkPolicies deny gets smaller', () => {
    const opened = [stage('switch', 1), stage('break', 2, removal), stage('open', 3), stage('delete', 4)];
    assert.equal(inForceAt(opened, 'addition'), 3);
    assert.equal(inForceAt(opened, 'removal'), 2);
  });

  it('with the only stage, which is not the one that deletes old objects', () => {
    assert.equal(inForceAt([stage('break', 1, removal), stage('delete', 2)], 'addition'), 1);
  });

  it('has no time if nothing has changed', () => {
    for (const stages of [[], [stage('delete', 1)]]) {
      assert.throws(() => inForceAt(stages, 'addition'), /changed nothing/);
    }
  });
});
