import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'mocha';
import { renderScript } from '../../src/nftables/render.ts';
import type { Operation, Ruleset, TableFamily } from '../../src/nftables/ruleset.ts';
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
    delete element FAMILY postern MAP-by-if-r { "cni0" . OWN }
    delete element FAMILY postern MAP-e { OWN }
    delete chain FAMILY postern CHAIN
    delete chain FAMILY postern CHAIN-r
    delete chain FAMILY postern CHAIN-e
    delete set FAMILY postern SET
    add set FAMILY postern SET { type TYPE . inet_proto . inet_service; flags timeout; }`,
  'a base chain at another place': `
    delete chain FAMILY postern forward
    add chain FAMILY postern forward { type filter hook input priority -10; policy accept; }
    add rule FAMILY postern output meta mark 7 accept`,
  'a base chain of theirs': 'add chain FAMILY postern late { type filter hook forward priority 9; policy drop; }',
  'what is left of a rewrite that was cut short': `
    add set FAMILY postern SET/r { type TYPE; }
    add chain FAMILY postern CHAIN/r
    add rule FAMILY postern CHAIN/r FAMILY saddr @SET/r log
    insert rule FAMILY postern forward jump CHAIN/r`,
  'named objects': `
    add counter FAMILY postern c
    add quota FAMILY postern q { over 9 mbytes; }
    add limit FAMILY postern l { rate 9/second; }
    add ct helper FAMILY postern h { type "ftp" protocol tcp; }
    add ct timeout FAMILY postern t { protocol tcp; policy = { established: 100 }; }
    insert rule FAMILY postern forward counter name c
    add map FAMILY postern m { type TYPE : counter; elements = { OWN : c }; }`,
  'a named object that nothing refers to': 'add counter FAMILY postern c',
};

/** No packet meets such a table, or nft cannot name what it holds. */
const replaced: Readonly<Record<string, string>> = {
  'which is switched off': 'add table FAMILY postern { flags dormant; }',
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
    const set = sets.keys().find((each) => each.startsWith(`tuples${digit}-`))!;
    const chain = chains.keys().find((each) => /^ingress-[a-z0-9]+$/.test(each) && each !== 'ingress-r')!;
    const all = { FAMILY: family, TYPE: type, OWN: own, OTHER: other, MAP: `ingress${digit}`, SET: set, CHAIN: chain };
    const fill = (script: string): string => script.replaceAll(/[A-Z]{3,}/g, (word) => all[word as keyof typeof all]);
    for (const [name, script] of Object.entries(routed)) {
      it(`is written anew beside what it holds, and no other, where there is in ${family} ${name}`, () => {
        const stages = writtenAnew(family, fill(script));
        assert.deepEqual(stages.map(({ name: stage }) => stage).slice(0, 4), ['make', 'switch', 'delete', 'delete']);
        for (const { operations } of stages) assert.equal(hasNewInPlace(operations), false);
      });
    }
    for (const [name, script] of Object.entries(replaced)) {
      it(`is written anew in one transaction, and no other, in ${family} ${name}`, () => {
        const stages = writtenAnew(family, fill(script));
        assert.deepEqual(
          stages.map(({ name: stage, operations }) => [stage, operations[0]!.verb]),
          [['switch', 'replace table']],
        );
      });
    }
  }
  for (const [name, script] of Object.entries(bridges)) {
    it(`is written anew beside what it holds, and no other, where there is in bridge ${name}`, () => {
      for (const { operations } of writtenAnew('bridge', script)) assert.equal(hasNewInPlace(operations), false);
    });
  }

  it('keeps the base chains of bridges when the last port has gone, and has them again', () => {
    const { bridge, ...others } = desired;
    const without = planStages(others, desired);
    for (const { operations } of without.stages) assert.equal(kernel.run(renderScript(operations)), undefined);
    const held = kernel.list();
    assert.deepEqual(planStages(others, held).stages, []);
    assert.deepEqual(
      [...held.bridge!.chains.values()].map(({ name, rules }) => [name, rules.length]),
      [...bridge!.chains.values()].filter(({ base }) => base).map(({ name }) => [name, 0]),
    );
    bring(held);
  });

  it('is checked, before there is one, without a hook', () => {
    kernel.reset();
    const operations = planStages(desired, undefined).stages.flatMap((stage) => stage.operations);
    assert.equal(kernel.run(renderScript(operations, { isCheck: true }), { check: true }), undefined);
    assert.equal(kernel.run(renderScript(operations, { isCheck: true })), undefined);
    const asleep = kernel.list();
    assert.deepEqual(
      Object.values(asleep).map(({ isFlagged }) => isFlagged),
      [true, true, true],
    );
    bring(asleep);
  });

  function writtenAnew(family: TableFamily, script: string): ReturnType<typeof bring> {
    assert.equal(kernel.run(script), undefined);
    const found = kernel.list();
    assert.deepEqual(planSweep(found).stages, []);
    // As where the kernel has refused it, to find out why.
    const all = planStages(desired, found).stages.flatMap(({ operations }) => operations);
    assert.equal(kernel.run(renderScript(all, { isCheck: true }), { check: true }), undefined);
    const stages = bring(found);
    const families = new Set(stages.flatMap(({ operations }) => operations.map((each) => each.family)));
    assert.deepEqual([...families], [family]);
    return stages;
  }

  /** A base chain that is new is empty for packets on their way, and the one before it is gone. */
  function hasNewInPlace(operations: readonly Operation[]): boolean {
    const isNew = operations.some((each) => each.verb === 'add chain' && each.chain.base);
    return isNew && operations.some(({ verb }) => verb === 'replace table' || verb === 'delete chain');
  }

  /** Brings the kernel from what it is thought to hold to what it should hold, and sees that it does. */
  function bring(applied: Ruleset | undefined): ReturnType<typeof planStages>['stages'] {
    const { stages } = planStages(desired, applied);
    for (const { operations } of stages) assert.equal(kernel.run(renderScript(operations)), undefined);
    assert.deepEqual(planStages(desired, kernel.list()).stages, []);
    return stages;
  }
});
