import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { StaleAddresses } from '../../src/agent/stale-addresses.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { endOf, namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf } from '../support/pipeline.ts';

const gated = { podCidrs: ['10.1.0.0/24', 'fd01::/64'] };
const link = { device: 'veth-1' };
const first = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'], uid: 'first' });
/** Of the same name: many plugins give it the same device. */
const second = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'], uid: 'second' });
const sandboxOf = (uid: string) => sandbox('x/web', { id: uid, uid, ips: ['10.1.0.1', 'fd01::1'], link });

describe('stale addresses', () => {
  let stale: StaleAddresses;
  let pipeline: Pipeline;
  beforeEach(() => {
    stale = new StaleAddresses();
    pipeline = startPipeline('n1', [namespace('x')], gated);
  });
  const wanted = (): Ruleset => pipeline.plan(undefined).compiled.ruleset;
  const coming = (held: Ruleset | undefined = wanted()): string[] =>
    stale.takeComing(pipeline.snapshot, pipeline.plan(undefined).compiled, held).sort();

  it('are at first those that the tables in the kernel do not have', () => {
    const held = wanted();
    pipeline.receive(upsertOf(first));
    pipeline.receive(sandboxOf('first'));
    assert.deepEqual(coming(held), ['10.1.0.1', 'fd01::1']);
  });

  it('are none if there was no table: pods run already', () => {
    pipeline.receive(upsertOf(first));
    assert.deepEqual(stale.takeComing(pipeline.snapshot, pipeline.plan(undefined).compiled, undefined), []);
  });

  describe('at first, if the kernel has tables', () => {
    const deny = policy('x/closed', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });

    it('include one that a policy denies in both directions: the last agent may have denied it for its connections', () => {
      for (const event of [upsertOf(first), sandboxOf('first'), upsertOf(deny)]) pipeline.receive(event);
      assert.deepEqual(coming(wanted()), ['10.1.0.1', 'fd01::1']);
    });

    it('include one whose pod is not known yet', () => {
      pipeline.receive(sandboxOf('first'));
      assert.deepEqual(coming(wanted()), ['10.1.0.1', 'fd01::1']);
    });

    it('include one that is denied now and was open', () => {
      for (const event of [upsertOf(first), sandboxOf('first')]) pipeline.receive(event);
      const held = wanted();
      for (const event of [{ op: 'cache-complete' } as const, endOf(sandboxOf('first'))]) pipeline.receive(event);
      assert.equal(pipeline.snapshot.denied.get('10.1.0.1')?.size, 2);
      assert.deepEqual(coming(held), ['10.1.0.1', 'fd01::1']);
    });
  });

  it('include one that was open to a pod of another node', () => {
    const elsewhere = pod('x/far', { node: 'n2', ips: ['10.1.0.1'] });
    const own = { ...node('n1'), spec: { podCIDRs: ['10.1.0.0/24'] } };
    pipeline = startPipeline('n1', [namespace('x'), own, node('n2'), elsewhere]);
    coming(undefined);
    assert.equal(pipeline.snapshot.denied.get('10.1.0.1')?.size, 0);
    pipeline.receive(removeOf(elsewhere));
    pipeline.receive(upsertOf(first));
    assert.deepEqual(coming(), ['10.1.0.1']);
  });

  it('are returned once', () => {
    assert.deepEqual(coming(), []);
    pipeline.receive(upsertOf(first));
    assert.deepEqual(coming(), ['10.1.0.1', 'fd01::1']);
    assert.deepEqual(coming(), []);
    pipeline.receive(upsertOf(policy('x/closed', { podSelector: {} })));
    assert.deepEqual(coming(), []);
  });

  it('are not returned again when a table is gone, or when the agent finds the device later', () => {
    pipeline.receive(upsertOf(first));
    coming(undefined);
    pipeline.receive(sandboxOf('first'));
    assert.deepEqual(coming({}), []);
  });

  it('include one that passes to another pod with the same device', () => {
    pipeline.receive(upsertOf(first));
    pipeline.receive(sandboxOf('first'));
    coming(undefined);
    pipeline.receive(endOf(sandboxOf('first')));
    pipeline.receive(sandboxOf('second'));
    pipeline.receive(upsertOf(second));
    assert.deepEqual(coming(), ['10.1.0.1', 'fd01::1']);
  });

  it('include one that passes to another pod after it was denied', () => {
    pipeline.receive(upsertOf(first));
    pipeline.receive(sandboxOf('first'));
    coming(undefined);
    pipeline.receive(endOf(sandboxOf('first')));
    pipeline.receive(sandboxOf('second'));
    assert.deepEqual([pipeline.snapshot.denied.has('10.1.0.1'), coming()], [true, []]);
    pipeline.receive(upsertOf(second));
    assert.deepEqual(coming(), ['10.1.0.1', 'fd01::1']);
  });

  it('include one that had no pod for a while', () => {
    pipeline.receive(upsertOf(first));
    coming(undefined);
    pipeline.receive(removeOf(first));
    assert.deepEqual(coming(), []);
    pipeline.receive(upsertOf(first));
    assert.deepEqual(coming(), ['10.1.0.1', 'fd01::1']);
  });

  it('are returned with the sandbox of an unknown pod, and not again with the pod', () => {
    coming();
    pipeline.receive(sandboxOf('first'));
    assert.deepEqual(coming(), ['10.1.0.1', 'fd01::1']);
    pipeline.receive(upsertOf(first));
    assert.deepEqual(coming(), []);
  });

  it('do not include that of a static pod whose mirror pod is created again', () => {
    pipeline.receive(upsertOf(pod('x/web', { ips: ['10.1.0.1'], uid: 'mirror-1', mirrorOf: 'static' })));
    coming(undefined);
    pipeline.receive(upsertOf(pod('x/web', { ips: ['10.1.0.1'], uid: 'mirror-2', mirrorOf: 'static' })));
    assert.deepEqual(coming(), []);
  });

  it('do not include one outside the gated ranges: its pod has been open', () => {
    coming();
    pipeline.receive(upsertOf(pod('x/web', { ips: ['10.2.0.1', 'fd01::1'] })));
    assert.deepEqual(coming(), ['fd01::1']);
  });

  describe('after a flush', () => {
    const flush = (...named: string[]): string[] => {
      stale.applied();
      const left = [...stale.begin()].sort();
      stale.flushed(new Set(named));
      return left;
    };
    const come = (): string[] => {
      pipeline.receive(upsertOf(first));
      return coming();
    };
    const leave = (): void => {
      pipeline.receive(removeOf(first));
      assert.deepEqual(coming(), []);
    };
    beforeEach(() => {
      assert.deepEqual(coming(), []);
    });

    it('are those that connections still name', () => {
      flush('10.1.0.1', '10.1.0.77');
      assert.equal(stale.isFlushDue, false);
      assert.deepEqual(come(), ['10.1.0.1']);
    });

    it('include one that lost its pod, until that is flushed', () => {
      flush();
      assert.deepEqual(come(), []);
      stale.applied();
      leave();
      assert.equal(stale.isFlushDue, false, 'the kernel still has the rules of the pod');
      assert.deepEqual(flush(), ['10.1.0.1', 'fd01::1']);
      assert.deepEqual(come(), []);
    });

    it('include one that left, before the change is in force, before a flush, during it and after it failed', () => {
      flush();
      const steps = [() => {}, () => stale.applied(), () => void stale.begin(), () => stale.failed()];
      for (let count = 1; count <= steps.length; count++) {
        come();
        leave();
        for (const step of steps.slice(0, count)) step();
        assert.deepEqual(come(), ['10.1.0.1', 'fd01::1'], `after ${count}`);
        if (count === 3) stale.flushed(new Set());
        leave();
        flush();
      }
    });

    it('are not flushed any more once a pod has them: its own connections would go', () => {
      flush();
      come();
      leave();
      stale.applied();
      come();
      assert.deepEqual([stale.isFlushDue, flush()], [false, []]);
      leave();
      stale.applied();
      stale.begin();
      come();
      stale.failed();
      assert.deepEqual(flush(), []);
    });

    it('are all again when the gate may have been open, also while a flush was running', () => {
      flush();
      stale.reset();
      assert.equal(stale.isFlushDue, false, 'the gate is not in the kernel yet');
      stale.applied();
      assert.equal(stale.isFlushDue, true);
      stale.begin();
      stale.reset();
      stale.flushed(new Set());
      assert.deepEqual(come(), ['10.1.0.1', 'fd01::1']);
    });
  });
});
