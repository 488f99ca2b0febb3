import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, type Plan } from '../../src/plan/plan.ts';
import { applyOperations } from '../support/nft/edit.ts';
import { node, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { describeStages } from './describe-plan.ts';

const web = pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' } });
const peer = (name: string, ip: string, app = 'client') => pod(name, { node: 'n2', ips: [ip], labels: { app } });
const allow = (port: number) =>
  policy('x/p', {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port }] }],
  });
const [one, two] = [peer('x/one', '10.1.0.2'), peer('x/two', '10.1.0.3')];
const cluster = [web, one, allow(80)];

const compile = (objects: readonly ApiObject[], fastPath = true): Ruleset =>
  startPipeline('n1', objects, { fastPath }).plan(undefined).compiled.ruleset;
const change = (before: readonly ApiObject[], after: readonly ApiObject[]): Plan =>
  planStages(compile(after), planStages(compile(before)).result);

/** The stages that make the flow sets of table ip anew. */
function renewingStages({ stages }: Plan): string[] {
  const described = Object.entries(describeStages(stages));
  return described.flatMap(([name, operations]) => (operations.includes('renew flows') ? [name] : []));
}

describe('flow sets (S5.21)', () => {
  const changes: readonly [what: string, before: readonly ApiObject[], after: readonly ApiObject[], string[]][] = [
    ['nothing changes', cluster, cluster, []],
    ['a peer comes', cluster, [...cluster, two], []],
    ['a peer goes', [...cluster, two], cluster, ['break']],
    ['one peer comes and another goes', cluster, [web, two, allow(80)], ['break']],
    ['a pod moves to another class', cluster, [web, one, allow(81)], ['switch']],
    ['a pod becomes isolated', [web, one], cluster, ['switch']],
    ['a pod is not isolated any more', cluster, [web, one], ['switch', 'break']],
    ['a pod of the node comes', cluster, [...cluster, pod('x/new', { ips: ['10.1.0.9'] })], ['switch']],
    ['a pod of the node goes', [...cluster, pod('x/new', { ips: ['10.1.0.9'] })], cluster, ['switch', 'break']],
  ];
  for (const [what, before, after, expected] of changes) {
    it(`are made anew in the stages ${expected.join() || '(none)'} where ${what}`, () => {
      assert.deepEqual(renewingStages(change(before, after)), expected);
    });
  }

  it('are made anew where an element is added that denies: a new node gets no tunnel packets of pods', () => {
    const compiled = (...nodes: readonly ApiObject[]): Ruleset => {
      const pipeline = startPipeline('n1', [node('n1', '192.0.2.1'), ...nodes, ...cluster], { fastPath: true });
      pipeline.receive(sandbox('x/web', { ips: ['10.1.0.1'], link: { device: 'veth-web' } }));
      return pipeline.plan(undefined).compiled.ruleset;
    };
    const plan = planStages(compiled(node('n2', '192.0.2.2')), compiled());
    assert.deepEqual(describeStages(plan.stages), {
      switch: ['add elements other-node-ips4: 192.0.2.2', 'renew flows'],
    });
  });

  it('are made once with the table', () => {
    assert.deepEqual(renewingStages(planStages(compile(cluster))), []);
  });

  it('are made anew when they are asked to be, and where another program has flushed the table meanwhile', () => {
    const held = compile(cluster);
    assert.deepEqual(renewingStages(planStages(held, held, { renewsFlows: true })), ['switch']);
    const chains = new Map([...held.ip!.chains].map(([name, chain]) => [name, { ...chain, rules: [] }]));
    assert.deepEqual(renewingStages(planStages(held, { ...held, ip: { ...held.ip!, chains } })), ['switch']);
  });

  it('come and go with the fast path', () => {
    const [on, off] = [compile(cluster), compile(cluster, false)];
    for (const [before, after] of [
      [on, off],
      [off, on],
    ] as const) {
      let held: Ruleset = before;
      for (const { operations } of planStages(after, before).stages) held = applyOperations(held, operations);
      assert.deepEqual(planStages(after, held).stages, []);
    }
  });

  it('are of other names first where another program has renamed a chain that reads them: nft would not delete them', () => {
    const held = compile(cluster);
    const chains = new Map(held.ip!.chains);
    const originals = chains.get('originals')!;
    chains.delete('originals');
    chains.set('stray', { ...originals, name: 'stray' });
    const forward = chains.get('forward')!;
    const rules = forward.rules.map((rule) =>
      rule.verdict.kind === 'goto' && rule.verdict.chain === 'originals'
        ? { ...rule, verdict: { kind: 'goto', chain: 'stray' } as const }
        : rule,
    );
    chains.set('forward', { ...forward, rules });
    let table: Ruleset = { ...held, ip: { ...held.ip!, chains } };
    for (const { operations } of planStages(compile([web, one, allow(81)]), table).stages) {
      table = applyOperations(table, operations);
    }
    assert.deepEqual(planStages(compile([web, one, allow(81)]), table).stages, []);
  });
});
