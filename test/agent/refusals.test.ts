import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { findCulprit, Refusals } from '../../src/agent/refusals.ts';
import type { Policy } from '../../src/model/policy.ts';

describe('findCulprit', () => {
  const search = async (count: number, bad: ReadonlySet<number>, alwaysRefused = false) => {
    const candidates = Array.from({ length: count }, (_, index) => index);
    const questions: ReadonlySet<number>[] = [];
    const finding = await findCulprit(candidates, async (without) => {
      questions.push(without);
      return !alwaysRefused && bad.isSubsetOf(without);
    });
    return { finding, questions };
  };

  it('finds one that is to blame, in at most log2(n) + 2 questions', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 600 }), fc.nat(), async (count, pick) => {
        const bad = pick % count;
        const { finding, questions } = await search(count, new Set([bad]));
        assert.deepEqual(finding, { kind: 'culprit', culprit: bad });
        assert.ok(questions.length <= Math.ceil(Math.log2(count)) + 2, `${questions.length} questions of ${count}`);
      }),
    ));

  it('of several, finds them one after the other', () =>
    fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 6 }), async (bad) => {
        const left = new Set(bad);
        let candidates = Array.from({ length: 41 }, (_, index) => index);
        const gone = new Set<number>();
        while (left.size > 0) {
          const finding = await findCulprit(candidates, async (without) => left.isSubsetOf(without));
          assert.ok(finding.kind === 'culprit' && left.delete(finding.culprit), JSON.stringify(finding));
          gone.add(finding.culprit);
          candidates = candidates.filter((each) => !gone.has(each));
        }
        assert.deepEqual(gone, new Set(bad));
      }),
    ));

  it('says so when nothing is refused, or everything', async () => {
    for (const count of [0, 1, 2, 3, 8]) {
      assert.deepEqual((await search(count, new Set())).finding, { kind: 'accepted' }, `${count} candidates`);
      assert.deepEqual((await search(count, new Set(), true)).finding, { kind: 'refused' }, `${count} candidates`);
    }
  });

  it('blames a single candidate only after asking', async () => {
    const { finding, questions } = await search(1, new Set([0]));
    assert.deepEqual(finding, { kind: 'culprit', culprit: 0 });
    assert.deepEqual(questions, [new Set([0]), new Set()]);
  });

  it('blames none for refusals that end by themselves, however many candidates and refusals there are', async () => {
    for (let count = 0; count <= 20; count++) {
      for (let busy = 0; busy <= 6; busy++) {
        const candidates = Array.from({ length: count }, (_, index) => index);
        let asked = 0;
        const finding = await findCulprit(candidates, async () => ++asked > busy);
        assert.notEqual(finding.kind, 'culprit', `${count} candidates, the first ${busy} answers are refusals`);
      }
    }
  });
});

describe('Refusals', () => {
  const policy = (id: string): Policy => ({
    id,
    tier: 'NetworkPolicy',
    priority: 0,
    appliesTo: { namespaces: { name: 'x' }, pods: [] },
    isolates: new Set(),
    rules: { ingress: [], egress: [] },
    groups: new Map(),
  });

  it('waits twice as long after each refusal, at most 10 minutes', () => {
    const refusals = new Refusals();
    const bad = policy('x/bad');
    let now = 0;
    const delays: number[] = [];
    for (let i = 0; i < 9; i++) {
      refusals.add(bad, now);
      delays.push((refusals.nextRetry! - now) / 1000);
      now = refusals.nextRetry!;
    }
    assert.deepEqual(delays, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
  });

  it('a changed policy starts anew', () => {
    const refusals = new Refusals();
    const bad = policy('x/bad');
    refusals.add(bad, 0);
    refusals.add(bad, 10_000);
    refusals.add(policy('x/bad'), 30_000);
    assert.equal(refusals.nextRetry, 40_000);
  });

  it('knows which are due, and the next', () => {
    const refusals = new Refusals();
    assert.equal(refusals.nextRetry, undefined);
    refusals.add(policy('x/late'), 5000);
    refusals.add(policy('x/early'), 0);
    assert.equal(refusals.nextRetry, 10_000);
    const due = (now: number) => refusals.due(now).map(({ id }) => id);
    assert.deepEqual(due(9999), []);
    assert.deepEqual(due(10_000), ['x/early']);
    assert.deepEqual(due(15_000).toSorted(), ['x/early', 'x/late']);
  });

  it('keeps only policies that are in force and have not changed', () => {
    const refusals = new Refusals();
    const [same, changed, gone] = ['x/same', 'x/changed', 'x/gone'].map(policy);
    for (const each of [same!, changed!, gone!]) refusals.add(each, 0);
    refusals.keepCurrent(
      new Map([
        ['x/same', same!],
        ['x/changed', policy('x/changed')],
      ]),
    );
    assert.deepEqual(refusals.ids, new Set(['x/same']));
  });
});
