import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { PlanSource } from '../../src/agent/plan-source.ts';
import type { Sandbox } from '../../src/model/cluster.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { stateOf, type SavedState } from '../../src/state/saved-state.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { namespace, pod, policy, sandbox as sandboxFact } from '../support/objects.ts';
import { syncedEvents, upsertOf } from '../support/pipeline.ts';
import { fullSnapshot, sandbox, shopApi } from '../state/samples.ts';

const saved = stateOf(fullSnapshot);
const nothing = { tableFound: false, isUnsaved: false };
const tables = { tableFound: true, isUnsaved: false };

describe('PlanSource', () => {
  let pipeline: Pipeline;
  let clock: ManualClock;
  let changes: number;
  let reads: number;
  let outdated: number;

  beforeEach(() => {
    pipeline = new Pipeline('n1');
    clock = new ManualClock();
    changes = 0;
    reads = 0;
    outdated = 0;
  });

  const create = (state: SavedState | undefined, gate = true): PlanSource =>
    new PlanSource({
      node: 'n1',
      pipeline,
      createPipeline: ({ gatedRanges }) => new Pipeline('n1', { gate, podCidrs: gatedRanges }),
      readSaved: async () => {
        reads++;
        return state;
      },
      clock,
      outdated: () => void outdated++,
      changed: () => void changes++,
    });
  /** What was asked for has been read. */
  const hasRead = (): Promise<void> => new Promise(setImmediate);
  const receive = (source: PlanSource, ...events: Parameters<Pipeline['receive']>[0][]): void => {
    for (const event of events) {
      pipeline.receive(event);
      source.receive(event);
    }
  };
  const tell = (source: PlanSource, value: Sandbox): void => receive(source, { op: 'sandbox', id: value.id, value });

  it('has nothing to write before all lists are in, that of the sandboxes too, and it may write', () => {
    const steps: [string, (source: PlanSource) => void][] = [
      ['API', (source) => receive(source, ...syncedEvents())],
      ['sandboxes', (source) => source.listedSandboxes()],
      ['lock', (source) => source.open(nothing)],
    ];
    for (const [missing] of steps) {
      pipeline = new Pipeline('n1');
      const source = create(undefined);
      for (const [name, step] of steps) if (name !== missing) step(source);
      assert.deepEqual([source.current, source.snapshot.inSync], ['kernel', false], `without ${missing}`);
      changes = 0;
      steps.find(([name]) => name === missing)![1](source);
      assert.deepEqual([source.current, source.snapshot], ['cluster', pipeline.snapshot], `with ${missing}`);
      assert.ok(changes > 0, 'tells that it may be written now');
    }
  });

  it('passes on that flow sets are doubtful', () => {
    pipeline = new Pipeline('n1', { fastPath: true });
    const source = create(undefined);
    const objects = [namespace('x'), pod('x/web', { ips: ['10.1.0.1'] }), policy('x/deny', { podSelector: {} })];
    const web = sandboxFact('x/web', { ips: ['10.1.0.1'], link: { device: 'veth-web' } });
    receive(source, ...objects.map(upsertOf), web, ...syncedEvents());
    source.listedSandboxes();
    source.open(nothing);
    const { result } = source.plan(undefined);
    const names = (areFlowsDoubtful: boolean) =>
      source.plan(result, undefined, { areFlowsDoubtful }).stages.map(({ name }) => name);
    assert.deepEqual(names(false), []);
    assert.ok(names(true).includes('forget'));
  });

  it('has what this node has kept, with its sandboxes as they are now, until the cluster is known', async () => {
    const source = create(saved);
    tell(source, sandbox('s1', 'shop/api/m1', ['10.244.1.77']));
    source.open(nothing);
    await hasRead();
    assert.equal(source.current, 'kernel');
    source.listedSandboxes();
    assert.equal(source.current, 'saved');
    const { inSync, localPods, gatedRanges } = source.snapshot;
    assert.deepEqual([inSync, gatedRanges], [true, fullSnapshot.gatedRanges]);
    assert.deepEqual(localPods.get(shopApi.key)?.addresses, ['10.244.1.77']);

    const plan = source.plan(undefined);
    assert.ok(plan.compiled.localAddresses.has('10.244.1.77'));
    assert.equal(source.isRestored(plan), true);

    receive(source, ...syncedEvents());
    assert.equal(source.current, 'cluster');
    const next = source.plan(plan.result);
    assert.equal(source.isRestored(next), false);
    assert.deepEqual(next.compiled.localAddresses, new Set());
  });

  it('follows the sandboxes while it has what was kept, and nothing else', async () => {
    const source = create(saved);
    source.open(nothing);
    source.listedSandboxes();
    await hasRead();
    const before = source.snapshot;
    changes = 0;
    receive(source, upsertOf(pod('x/a', { ips: ['10.244.1.5'] })));
    assert.deepEqual([changes, source.snapshot.revision === before.revision], [0, true]);
    tell(source, sandbox('s1', 'shop/api/m1', ['10.244.1.77']));
    assert.equal(changes, 1);
    assert.deepEqual(source.snapshot.localPods.get(shopApi.key)?.addresses, ['10.244.1.77']);
    assert.notEqual(source.snapshot.revision, before.revision);
    receive(source, { op: 'sandbox', id: 's1', value: undefined });
    assert.deepEqual(source.snapshot.localPods.get(shopApi.key)?.addresses, []);
  });

  it('leaves a table that it finds as it is for five seconds', async () => {
    const source = create(saved);
    tell(source, sandbox('s1', 'shop/api/m1', ['10.244.1.77']));
    source.listedSandboxes();
    source.open(tables);
    clock.advance(4999);
    changes = 0;
    assert.deepEqual([source.current, reads], ['kernel', 0]);
    clock.advance(1);
    await hasRead();
    assert.deepEqual([source.current, changes, reads], ['saved', 1, 1]);
    // What is in force by then stays so, whatever ends.
    receive(source, { op: 'sandbox', id: 's1', value: undefined });
    assert.equal(source.current, 'saved');
  });

  it('leaves a table that is newer than the saved state for as long as it takes (S7.12)', async () => {
    const source = create(saved);
    tell(source, sandbox('s1', 'shop/api/m1', ['10.244.1.77']));
    source.listedSandboxes();
    source.open({ tableFound: true, isUnsaved: true });
    clock.advance(4999);
    assert.equal(outdated, 0);
    clock.advance(1_000_000);
    await hasRead();
    assert.deepEqual([source.current, source.inSync, reads, outdated], ['kernel', false, 0, 1]);
    receive(source, ...syncedEvents());
    assert.equal(source.current, 'cluster');
  });

  it('uses the saved state if the tables have gone and the mark has not', async () => {
    const source = create(saved);
    source.listedSandboxes();
    source.open({ tableFound: false, isUnsaved: true });
    await hasRead();
    assert.deepEqual([source.current, outdated], ['saved', 0]);
  });

  it('does not call the saved state outdated if the API server has answered', () => {
    const source = create(saved);
    source.listedSandboxes();
    source.open({ tableFound: true, isUnsaved: true });
    receive(source, ...syncedEvents());
    clock.advance(5000);
    assert.equal(outdated, 0);
  });

  it('goes by the timer, which may come a little early by the clock', async () => {
    const source = create(saved);
    tell(source, sandbox('s1', 'shop/api/m1', ['10.244.1.77']));
    source.listedSandboxes();
    source.open(tables);
    clock.now = () => 4999.9;
    clock.advance(5000);
    await hasRead();
    assert.equal(source.current, 'saved');
  });

  it('does not read what was kept once the cluster is known, nor counts what it has read by then', async () => {
    const found = create(saved);
    found.listedSandboxes();
    found.open(tables);
    const fresh = create(saved);
    fresh.listedSandboxes();
    fresh.open(nothing);
    receive(fresh, ...syncedEvents());
    clock.advance(5000);
    await hasRead();
    assert.deepEqual([found.current, fresh.current, reads], ['cluster', 'cluster', 1]);
    assert.equal(fresh.isRestored(fresh.plan(undefined)), false);
  });

  it('plans nothing as long as nothing may be written', () => {
    const source = create(saved);
    assert.throws(() => source.plan(undefined), /nothing may be written yet/);
    source.open(tables);
    assert.throws(() => source.plan(undefined), /nothing may be written yet/);
  });

  it('gates nothing with the gate off, whatever was kept', async () => {
    const source = create(saved, false);
    source.open(nothing);
    source.listedSandboxes();
    await hasRead();
    assert.ok(saved.gatedRanges.length > 0);
    assert.deepEqual(source.snapshot.gatedRanges, []);
  });
});
