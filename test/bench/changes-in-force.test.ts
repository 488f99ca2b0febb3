import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { inForceAt } from '../../bench/changes/in-force.ts';
import type { Change } from '../../bench/changes/node-under-test.ts';

const stage = (
  name: 'make' | 'switch' | 'break' | 'delete',
  at: number,
  deletesElements = false,
): Change['stages'][number] => {
  return { name, at, deletesElements, operations: 1 };
};
const change = (...stages: Change['stages']): Change => ({ before: 0, seen: [0], stages });

describe('when a change is in force', () => {
  it('an addition with the switch stage, a removal with the break stage that deletes the element', () => {
    const both = [change(stage('make', 1), stage('switch', 2), stage('break', 3, true))];
    assert.equal(inForceAt(both, 'addition'), 2);
    assert.equal(inForceAt(both, 'removal'), 3);
  });

  it('a removal with the switch stage, if the pods move to another class', () => {
    assert.equal(inForceAt([change(stage('make', 1), stage('switch', 2), stage('delete', 3))], 'removal'), 2);
  });

  it('with the last of several runs', () => {
    const changes = [1, 3].map((at) => change(stage('switch', at), stage('break', at + 1, true)));
    assert.equal(inForceAt(changes, 'addition'), 3);
    assert.equal(inForceAt(changes, 'removal'), 4);
  });

  it('has no time if nothing has changed', () => {
    assert.throws(() => inForceAt([], 'addition'), /changed nothing/);
  });
});
