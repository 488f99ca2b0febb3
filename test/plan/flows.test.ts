import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { VersionedMap } from '../../src/lib/versioned-map.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, type Plan } from '../../src/plan/plan.ts';
import { applyOperations } from '../support/nft/edit.ts';
import { clusterPolicy, namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { plain } from '../support/plain.ts';
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

const choosing = { first: 'delete elements flows-second: tcp, udp', second: 'add elements flows-second: tcp, udp' };
const flushing = (edition: 'first' | 'second'): string[] =>
  ['tcp-flows4', 'tcp-flows4-r', 'udp-flows4', 'udp-flows4-r']
    .map((name) => `flush set ${name}${edition === 'second' ? '-second' : ''}`)
    .sort();
const emptying = (edition: 'first' | 'second'): string[] => [
  'add chain emptied',
  'delete chain emptied',
  ...flushing(edition),
];

/** The stages that choose the first edition of flow sets in table ip: a new table has the second. */
function choosingStages({ stages }: Plan): string[] {
  const described = Object.entries(describeStages(stages));
  return described.flatMap(([name, operations]) => (operations.includes(choosing.first) ? [name] : []));
}

describe('flow sets (S5.21)', () => {
  const deny = { action: 'Deny', to: [{ networks: ['10.0.0.0/8'] }] };
  const accept = { action: 'Accept', to: [{ namespaces: {} }] };
  const sparing = [namespace('x'), web, clusterPolicy('guard', { egress: [accept, deny] })];
  const denying = [
    namespace('x'),
    web,
    clusterPolicy('guard', { ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] }),
  ];
  const changes: readonly [what: string, before: readonly ApiObject[], after: readonly ApiObject[], string[]][] = [
    ['nothing changes', cluster, cluster, []],
    ['a peer comes', cluster, [...cluster, two], []],
    ['a peer comes that is spared what a block is denied', sparing, [...sparing, two], []],
    ['a peer comes that is denied', denying, [...denying, two], ['switch']],
    ['a peer goes', [...cluster, two], cluster, ['break']],
    ['one peer comes and another goes', cluster, [web, two, allow(80)], ['break']],
    ['a pod moves to another class', cluster, [web, one, allow(81)], ['switch']],
    ['a pod becomes isolated', [web, one], cluster, ['switch']],
    ['a pod is not isolated any more', cluster, [web, one], ['break']],
    ['a pod of the node comes', cluster, [...cluster, pod('x/new', { ips: ['10.1.0.9'] })], ['switch']],
    ['a pod of the node goes', [...cluster, pod('x/new', { ips: ['10.1.0.9'] })], cluster, ['break']],
  ];
  for (const [what, before, after, expected] of changes) {
    it(`are left in the stage ${expected.join() || '(none)'} where ${what}`, () => {
      assert.deepEqual(choosingStages(change(before, after)), expected);
    });
  }

  it('are emptied after a grace period, and chosen again by the next change that takes away', () => {
    const states = [[...cluster, two], cluster, [web, two, allow(80)]].map((objects) => compile(objects));
    let applied: Ruleset | undefined;
    const plans = states.map((state) => {
      const plan = planStages(state, applied);
      applied = plan.result;
      return plan;
    });
    for (const [index, chosen, left] of [
      [1, 'first', 'second'],
      [2, 'second', 'first'],
    ] as const) {
      const { stages } = plans[index]!;
      const { break: taking, delete: last } = describeStages(
        stages.map(({ operations, ...stage }) => {
          return { ...stage, operations: operations.filter(({ family }) => family === 'ip') };
        }),
      );
      assert.ok(taking!.includes(choosing[chosen]));
      assert.deepEqual(
        last!.filter((each) => each.startsWith('flush set')),
        flushing(left),
      );
      assert.deepEqual(stages.map(({ name, afterGracePeriod }) => [name, afterGracePeriod]).slice(-2), [
        ['break', false],
        ['delete', true],
      ]);
    }
  });

  it('are left after a grace period where a rule changes: packets in flight may have the rules of before', () => {
    const gated = (podCidrs: readonly string[]): Ruleset =>
      startPipeline('n1', cluster, { fastPath: true, podCidrs }).plan(undefined).compiled.ruleset;
    const { stages } = planStages(gated([]), planStages(gated(['10.1.0.0/24'])).result);
    assert.deepEqual(choosingStages({ stages } as Plan), ['forget']);
    const waiting = stages.flatMap(({ name, afterGracePeriod }) => (afterGracePeriod ? [name] : []));
    assert.deepEqual(waiting, ['forget', 'delete']);
  });

  it('are left where an element is added that denies: a new node gets no tunnel packets of pods', () => {
    const compiled = (...nodes: readonly ApiObject[]): Ruleset => {
      const pipeline = startPipeline('n1', [node('n1', '192.0.2.1'), ...nodes, ...cluster], { fastPath: true });
      pipeline.receive(sandbox('x/web', { ips: ['10.1.0.1'], link: { device: 'veth-web' } }));
      return pipeline.plan(undefined).compiled.ruleset;
    };
    const plan = planStages(compiled(node('n2', '192.0.2.2')), compiled());
    assert.deepEqual(describeStages(plan.stages), {
      switch: ['add elements other-node-ips4: 192.0.2.2', choosing.first],
      delete: emptying('second'),
    });
  });

  it('are made once with the table', () => {
    assert.deepEqual(choosingStages(planStages(compile(cluster))), []);
  });

  it('are both emptied in doubt, the one that is chosen in the same transaction, after a grace period', () => {
    const held = compile(cluster);
    const { stages, result } = planStages({ ip: held.ip! }, { ip: held.ip! }, { areFlowsDoubtful: true });
    assert.deepEqual(describeStages(stages), {
      forget: [choosing.first, ...flushing('first')].sort(),
      delete: emptying('second'),
    });
    assert.ok(stages.every(({ afterGracePeriod }) => afterGracePeriod));
    assert.deepEqual(planStages({ ip: held.ip! }, result).stages, []);
  });

  describe('of an address that goes to the pod of another port', () => {
    const compiled = (names: readonly string[]): Ruleset => {
      const pods = names.map((name) =>
        pod(`x/${name}`, { ips: ['10.1.0.9'], labels: { app: name === 'old' ? 'client' : 'none' } }),
      );
      const pipeline = startPipeline('n1', [web, two, allow(80), ...pods], { fastPath: true });
      pipeline.receive(sandbox('x/web', { ips: ['10.1.0.1'], link: { device: 'cni0', port: 'veth-web' } }));
      for (const name of names) {
        pipeline.receive(sandbox(`x/${name}`, { ips: ['10.1.0.9'], link: { device: 'cni0', port: `veth-${name}` } }));
      }
      return pipeline.plan(undefined).compiled.ruleset;
    };
    const opening = 'bridge: add elements bridge-ports: veth-new';
    const doubt = { areFlowsDoubtful: true };
    for (const [what, before, options, last] of [
      ['in one change', ['old'], {}, 'break'],
      ['while no agent runs', ['old'], doubt, 'forget'],
      ['after the pod that had it has gone', [], doubt, 'forget'],
    ] as const) {
      it(`are left before the port opens, ${what}`, () => {
        const { stages } = planStages(compiled(['new']), planStages(compiled(before)).result, options);
        const described = stages.map((stage) => describeStages([stage])[stage.name]!);
        const left = described.findLastIndex((each) => each.includes(choosing.first));
        const opened = described.findIndex((each) => each.includes(opening));
        assert.equal(stages[left]!.name, last);
        assert.ok(opened >= left && left >= 0, `left in ${left}, opened in ${opened}`);
        assert.ok(stages.slice(opened).some(({ name, afterGracePeriod }) => name === 'delete' && afterGracePeriod));
      });
    }
  });

  it('are left where another program has flushed the table meanwhile', () => {
    const held = compile(cluster);
    const chains = new Map([...held.ip!.chains].map(([name, chain]) => [name, { ...chain, rules: [] }]));
    assert.deepEqual(choosingStages(planStages(held, { ...held, ip: { ...held.ip!, chains } })), ['forget']);
  });

  it('are of other names first where another program has chosen for one protocol only', () => {
    const held = compile(cluster);
    const choice = held.ip!.sets.get('flows-second')!;
    const sets = new Map(held.ip!.sets).set(choice.name, { ...choice, elements: new Set(['tcp']) });
    const plan = planStages({ ip: held.ip! }, { ip: { ...held.ip!, sets } });
    assert.ok(describeStages(plan.stages.slice(0, 1)).make!.includes('add set udp-flows4/r'));
    assert.deepEqual(plan.result, { ip: held.ip! });
  });

  it('cost a plan no more than what changes, and the plan knows what the kernel holds', () => {
    const pipeline = startPipeline('n1', [...cluster, two], { fastPath: true });
    let applied = pipeline.plan(undefined).result;
    const chosen = new Set<number>();
    for (let turn = 0; turn < 8; turn++) {
      const isComing = turn % 2 === 1;
      pipeline.receive(isComing ? upsertOf(two) : removeOf(two));
      const { stages, result } = pipeline.plan(applied);
      const operations = stages.flatMap((stage) => stage.operations);
      assert.deepEqual(plain(result), plain(applyOperations(applied, operations)));
      const { sets } = applied.ip!;
      // A plan that copied the sets would compare all of them.
      if (isComing) assert.ok(sets instanceof VersionedMap && sets.keysChangedIn(result.ip!.sets), `${turn}`);
      chosen.add(result.ip!.sets.get('flows-second')!.elements.size);
      applied = result;
    }
    assert.deepEqual(
      [...chosen].sort((a, b) => a - b),
      [0, 2],
    );
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

  it('are left where another program has renamed a chain that reads them', () => {
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
