import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { Kernel } from '../nftables/kernel.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { skipTest } from '../support/skip.ts';

const objects: ApiObject[] = [
  namespace('x'),
  node('n1', '192.0.2.1'),
  pod('x/a', { ips: ['10.1.0.2'] }),
  pod('x/b', { node: 'n2', ips: ['10.2.0.2'] }),
  policy('x/p', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }] }),
];

/** What another program, or another version of ours, may have done to our table; and the start-up that follows. */
const tampering: Readonly<Record<string, string>> = {
  'a rule that names a set of its own': `
    add set inet postern dbg { type ipv4_addr; }
    insert rule inet postern forward ip saddr @dbg log accept`,
  'an element with a comment': 'add element inet postern SET { 10.9.9.9 . tcp . 80 comment "x" }',
  'a mapping with a comment': `
    delete element inet postern ingress4 { 10.1.0.2 }
    add element inet postern ingress4 { 10.1.0.2 comment "x" : jump CHAIN }`,
  'a base chain of another priority': `
    delete chain inet postern output
    add chain inet postern output { type filter hook output priority 7; policy accept; }`,
  'a base chain that drops': 'add chain inet postern output { type filter hook output priority -10; policy drop; }',
  'a set of another type': `
    delete element inet postern ingress4 { 10.1.0.2 }
    delete element inet postern ingress4-r { 10.1.0.2 }
    delete chain inet postern CHAIN
    delete chain inet postern CHAIN-r
    delete set inet postern SET
    add set inet postern SET { type ipv4_addr . inet_proto . inet_service; flags timeout; }`,
  'a foreign rule for bridges': 'insert rule bridge postern prerouting ether type 0x88cc accept',
  'a chain that drops all frames of bridges':
    'add chain bridge postern late { type filter hook prerouting priority 0; policy drop; }',
};

describe('a table that is not as we left it (kernel)', () => {
  let kernel: Kernel;
  const pipeline = startPipeline('n1', objects);
  pipeline.receive(sandbox('x/a', { ips: ['10.1.0.2'], link: { device: 'cni0', port: 'veth-a' } }));
  const desired = pipeline.plan(undefined).compiled.ruleset;

  before(function () {
    const opened = Kernel.open('rewrite');
    if (typeof opened === 'string') skipTest(this, opened);
    kernel = opened;
  });
  after(() => kernel?.close());
  beforeEach(() => {
    kernel.reset();
    bring(undefined);
  });

  for (const [name, script] of Object.entries(tampering)) {
    it(`is written anew in one transaction where there is ${name}`, () => {
      const set = desired.sets.keys().find((each) => each.startsWith('t4-'))!;
      const chain = desired.chains.keys().find((each) => each.startsWith('ingress-') && !each.endsWith('-r'))!;
      assert.equal(kernel.run(script.replaceAll('SET', set).replaceAll('CHAIN', chain)), undefined);
      const found = kernel.list();
      assert.deepEqual(planSweep(found).stages, []);
      const plan = bring(found);
      assert.deepEqual(
        plan.map(({ name: stage, operations }) => [stage, operations[0]!.verb]),
        [['switch', 'replace table']],
      );
      const families = new Set(plan.flatMap(({ operations }) => operations.map(({ family }) => family)));
      assert.deepEqual([...families], [name.includes('bridges') ? 'bridge' : undefined]);
    });
  }

  /** Brings the kernel from what it is thought to hold to what it should hold, and sees that it does. */
  function bring(applied: Ruleset | undefined): ReturnType<typeof planStages>['stages'] {
    const { stages } = planStages(desired, applied);
    for (const { operations } of stages) assert.equal(kernel.run(renderScript(operations)), undefined);
    assert.deepEqual(planStages(desired, kernel.list()).stages, []);
    return stages;
  }
});
