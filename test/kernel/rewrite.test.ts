import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset, TableFamily } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { Kernel } from '../nftables/kernel.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { skipTest } from '../support/skip.ts';

const objects: ApiObject[] = [
  namespace('x'),
  node('n1', '192.0.2.1'),
  pod('x/a', { ips: ['10.1.0.2', 'fd01::2'] }),
  pod('x/b', { node: 'n2', ips: ['10.2.0.2', 'fd02::2'] }),
  policy('x/p', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }] }),
];

/** What another program, or another version of ours, may have done to one of our tables; and the start-up that follows. */
const routed: Readonly<Record<string, string>> = {
  'a rule that names a set of its own': `
    add set FAMILY postern dbg { type TYPE; }
    insert rule FAMILY postern forward FAMILY saddr @dbg log accept`,
  'an element with a comment': 'add element FAMILY postern SET { OTHER . tcp . 80 comment "x" }',
  'a mapping with a comment': `
    delete element FAMILY postern MAP { OWN }
    add element FAMILY postern MAP { OWN comment "x" : jump CHAIN }`,
  'a base chain of another priority': `
    delete chain FAMILY postern output
    add chain FAMILY postern output { type filter hook output priority 7; policy accept; }`,
  'a base chain that drops': 'add chain FAMILY postern output { type filter hook output priority -10; policy drop; }',
  'a set of another type': `
    delete element FAMILY postern MAP { OWN }
    delete element FAMILY postern MAP-r { OWN }
    delete element FAMILY postern MAP-owners-r { "cni0" . OWN }
    delete element FAMILY postern MAP-e { OWN }
    delete chain FAMILY postern CHAIN
    delete chain FAMILY postern CHAIN-r
    delete chain FAMILY postern CHAIN-e
    delete set FAMILY postern SET
    add set FAMILY postern SET { type TYPE . inet_proto . inet_service; flags timeout; }`,
};
const bridges: Readonly<Record<string, string>> = {
  'a foreign rule': 'insert rule bridge postern prerouting ether type 0x88cc accept',
  'a chain that drops all frames':
    'add chain bridge postern late { type filter hook prerouting priority 0; policy drop; }',
};
const words = {
  ip: { digit: '4', type: 'ipv4_addr', own: '10.1.0.2', other: '10.9.9.9' },
  ip6: { digit: '6', type: 'ipv6_addr', own: 'fd01::2', other: 'fd09::9' },
} as const;

describe('a table that is not as we left it (kernel)', () => {
  let kernel: Kernel;
  const pipeline = startPipeline('n1', objects);
  pipeline.receive(sandbox('x/a', { ips: ['10.1.0.2', 'fd01::2'], link: { device: 'cni0', port: 'veth-a' } }));
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

  for (const family of ['ip', 'ip6'] as const) {
    const { digit, type, own, other } = words[family];
    const { sets, chains } = desired[family]!;
    const set = sets.keys().find((each) => each.startsWith(`t${digit}-`))!;
    const chain = chains.keys().find((each) => /^ingress-[a-z0-9]+$/.test(each) && each !== 'ingress-r')!;
    const all = { FAMILY: family, TYPE: type, OWN: own, OTHER: other, MAP: `ingress${digit}`, SET: set, CHAIN: chain };
    for (const [name, script] of Object.entries(routed)) {
      it(`is written anew in one transaction, and no other, where there is in ${family} ${name}`, () => {
        writtenAnew(
          family,
          script.replaceAll(/[A-Z]{3,}/g, (word) => all[word as keyof typeof all]),
        );
      });
    }
  }
  for (const [name, script] of Object.entries(bridges)) {
    it(`is written anew in one transaction, and no other, where there is in bridge ${name}`, () => {
      writtenAnew('bridge', script);
    });
  }

  function writtenAnew(family: TableFamily, script: string): void {
    assert.equal(kernel.run(script), undefined);
    const found = kernel.list();
    assert.deepEqual(planSweep(found).stages, []);
    const plan = bring(found);
    assert.deepEqual(
      plan.map(({ name: stage, operations }) => [stage, operations[0]!.verb]),
      [['switch', 'replace table']],
    );
    const families = new Set(plan.flatMap(({ operations }) => operations.map((each) => each.family)));
    assert.deepEqual([...families], [family]);
  }

  /** Brings the kernel from what it is thought to hold to what it should hold, and sees that it does. */
  function bring(applied: Ruleset | undefined): ReturnType<typeof planStages>['stages'] {
    const { stages } = planStages(desired, applied);
    for (const { operations } of stages) assert.equal(kernel.run(renderScript(operations)), undefined);
    assert.deepEqual(planStages(desired, kernel.list()).stages, []);
    return stages;
  }
});
