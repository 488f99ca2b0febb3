import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { routedTable, type Chain, type NftSet, type Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep, type Plan } from '../../src/plan/plan.ts';
import { pod, policy } from '../support/objects.ts';
import { plain } from '../support/plain.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';
import { emptyTable, verdictOf } from '../support/routed.ts';
import { describeStages } from './describe-plan.ts';

const web = pod('x/web', { ips: ['10.1.0.1'], labels: { app: 'web' } });
const peer = (name: string, ip: string, app = 'client') => pod(name, { node: 'n2', ips: [ip], labels: { app } });
const allow = (port: number, app = 'client') =>
  policy('x/p', {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app } } }], ports: [{ port }] }],
  });
const cluster = [web, peer('x/one', '10.1.0.2'), allow(80)];

const compile = (...objects: readonly ApiObject[]) => compileNode('n1', objects);
const change = (before: readonly ApiObject[], after: readonly ApiObject[]) =>
  planStages(compile(...after), planStages(compile(...before), undefined).result);

/** What the kernel holds after the first so many stages. */
function after({ stages }: Plan, count: number, before: Ruleset = nothing): Ruleset {
  return stages.slice(0, count).reduce((held, { operations }) => applyOperations(held, operations), before);
}

/** One guarded port, as small as can be. */
function withBridge(ruleset: Ruleset, owner: string): Ruleset {
  const set = (name: string, key: NftSet['key'], element: string): NftSet => {
    return { name, key, interval: false, elements: new Set([element]) };
  };
  const sets = [set('ports', ['ifname'], owner.split(' . ')[0]!), set('if-ips4', ['ifname', 'ipv4_addr'], owner)];
  const chains: Chain[] = [
    {
      name: 'sources',
      rules: [
        { matches: [{ kind: 'lookup', key: ['iifname', 'ip saddr'], set: 'if-ips4' }], verdict: { kind: 'return' } },
        { matches: [], verdict: { kind: 'drop' } },
      ],
    },
    {
      name: 'prerouting',
      base: { hook: 'prerouting', priority: -300 },
      rules: [
        { matches: [{ kind: 'lookup', key: ['iifname'], set: 'ports' }], verdict: { kind: 'goto', chain: 'sources' } },
      ],
    },
  ];
  const byName = <T extends { readonly name: string }>(objects: readonly T[]): Map<string, T> =>
    new Map(objects.map((object) => [object.name, object]));
  return { ...ruleset, bridge: { sets: byName(sets), maps: new Map(), chains: byName(chains) } };
}

/** A pod that is pointed elsewhere. */
const pointAnew = ['add', 'delete'].flatMap((verb) => [
  `${verb} mappings ingress4-e: 10.1.0.1`,
  `${verb} mappings ingress4-r: 10.1.0.1`,
  `${verb} mappings ingress4: 10.1.0.1`,
]);

const nothing: Ruleset = {};
const routedFamilies = Object.values(routedTable);
const packet = (source: string, destinationPort: number): Packet => ({
  hook: 'forward',
  family: 'ipv4',
  source,
  destination: '10.1.0.1',
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort,
  ctState: 'new',
  direction: 'original',
  tcpSyn: true,
  hopLimit: 64,
});

describe('planStages: the first load', () => {
  const plan = planStages(compile(...cluster), undefined);

  it('makes everything, and then switches by its base chains, which come last (S5.18)', () => {
    const [make, switching, ...more] = plan.stages;
    assert.deepEqual([make?.name, switching?.name, more], ['make', 'switch', []]);
    for (const family of routedFamilies) {
      assert.equal(make!.operations.find((operation) => operation.family === family)!.verb, 'add table');
    }
    assert.deepEqual(
      switching!.operations.map((each) => each.verb === 'add chain' && [each.family, each.chain.base?.hook]),
      routedFamilies.flatMap((family) => ['forward', 'input', 'output'].map((hook) => [family, hook])),
    );
  });

  it('judges no packet before it is complete', () => {
    assert.equal(verdictOf(after(plan, 1), packet('10.9.9.9', 80)), 'accept');
    assert.equal(verdictOf(after(plan, 2), packet('10.9.9.9', 80)), 'drop');
    assert.equal(verdictOf(after(plan, 2), packet('10.1.0.2', 80)), 'accept');
  });

  it('adds the tables that are not there, and no other', () => {
    assert.deepEqual(planStages(compile(...cluster), nothing), plan);
    assert.deepEqual(planStages(nothing, nothing).stages, []);
    const desired = compile(...cluster);
    const addedTo = (held: Ruleset): string[] => {
      const { stages } = planStages(desired, held);
      const result = stages.reduce((each, { operations }) => applyOperations(each, operations), held);
      assert.deepEqual(plain(result), plain(after(plan, 2)));
      const operations = stages.flatMap((stage) => stage.operations);
      return operations.flatMap(({ verb, family }) => (verb === 'add table' ? [family] : []));
    };
    assert.deepEqual(addedTo(nothing), ['ip', 'ip6']);
    assert.deepEqual(addedTo({ ip: desired.ip! }), ['ip6']);
    assert.deepEqual(addedTo({ ip: emptyTable, ip6: desired.ip6! }), []);
  });

  it('leaves nothing to do', () => {
    assert.deepEqual(planStages(compile(...cluster), plan.result).stages, []);
    assert.deepEqual(planStages(compile(...cluster), after(plan, 2)).stages, []);
    assert.deepEqual(planSweep(after(plan, 2)).stages, []);
  });

  it('of what the kernel holds keeps nothing, where it is what should be', () => {
    const desired = compile(...cluster);
    const { result } = planStages(desired, compile(...cluster));
    for (const family of routedFamilies) {
      const [{ sets, maps, chains }, kept] = [desired[family]!, result[family]!];
      for (const name of sets.keys()) assert.equal(kept.sets.get(name), sets.get(name));
      assert.equal(kept.maps, maps);
      assert.equal(kept.chains, chains);
    }
  });
});

describe('planStages: a change', () => {
  const chains = (verb: string) => [`${verb} chain ingress`, `${verb} chain ingress-e`, `${verb} chain ingress-r`];
  const denials = (verb: string) => [
    ...['deny-ingress', 'record-ingress'].map((name) => `${verb} chain ${name}`),
    `${verb} set denied-ingress4`,
  ];

  it('that only adds a member is one switch', () => {
    const plan = change(cluster, [...cluster, peer('x/two', '10.1.0.3')]);
    assert.deepEqual(describeStages(plan.stages), { switch: ['add elements tuples4: 10.1.0.3 . tcp . 80'] });
  });

  it('that only removes a member is one break', () => {
    const plan = change([...cluster, peer('x/two', '10.1.0.3')], cluster);
    assert.deepEqual(describeStages(plan.stages), { break: ['delete elements tuples4: 10.1.0.3 . tcp . 80'] });
  });

  it('that does both lets the new one in first, and both pass in between', () => {
    const [one, two] = [peer('x/one', '10.1.0.2'), peer('x/two', '10.1.0.3')];
    const before = planStages(compile(web, allow(80), one), undefined).result;
    const plan = planStages(compile(web, allow(80), two), before);
    assert.deepEqual(describeStages(plan.stages), {
      switch: ['add elements tuples4: 10.1.0.3 . tcp . 80'],
      break: ['delete elements tuples4: 10.1.0.2 . tcp . 80'],
    });
    assert.deepEqual(Object.keys(describeStages(plan.stages)), ['switch', 'break']);
    const seen = [0, 1, 2].map((count) =>
      ['10.1.0.2', '10.1.0.3'].map((source) => verdictOf(after(plan, count, before), packet(source, 80))),
    );
    assert.deepEqual(seen, [
      ['accept', 'drop'],
      ['accept', 'accept'],
      ['drop', 'accept'],
    ]);
  });

  it('of the rules makes a class, points the pod at it, and then takes the old one away', () => {
    const plan = change(cluster, [web, peer('x/one', '10.1.0.2'), allow(81)]);
    assert.deepEqual(
      plan.stages.map(({ name }) => name),
      ['make', 'switch', 'delete'],
    );
    assert.deepEqual(describeStages(plan.stages), {
      make: [...chains('add'), 'add set tuples4'],
      switch: pointAnew,
      delete: [...chains('delete'), 'delete set tuples4'],
    });
  });

  it('takes mappings away from all maps before anything comes, so that what comes is one block of the script', () => {
    const second = pod('x/second', { ips: ['10.1.0.9'], labels: { app: 'web' } });
    const plan = change(cluster, [web, second, peer('x/one', '10.1.0.2'), allow(81)]);
    const verbs = plan.stages[1]!.operations.map(({ verb }) => verb);
    assert.deepEqual([...new Set(verbs)], ['delete mappings', 'add elements', 'add mappings']);
    assert.ok(verbs.length > 5);
    for (const { operations } of plan.stages.slice(0, 2)) {
      assert.equal(renderScript(operations).match(/^table /gm)?.length, 1);
    }
  });

  it('that isolates a pod, and back', () => {
    const isolating = change([web], [web, policy('x/p', { podSelector: {} })]);
    assert.deepEqual(describeStages(isolating.stages), {
      make: [...chains('add'), ...denials('add'), 'add set self4'].sort(),
      // Of a pod that nothing isolates there is nothing to judge errors by.
      switch: [
        'add elements isolated4: 10.1.0.1',
        ...pointAnew.filter((each) => !each.startsWith('delete mappings ingress4-e')),
      ],
    });
    const freeing = change([web, policy('x/p', { podSelector: {} })], [web]);
    assert.deepEqual(describeStages(freeing.stages), {
      switch: pointAnew.filter((each) => !each.startsWith('add mappings ingress4-e')),
      break: ['delete elements isolated4: 10.1.0.1'],
      delete: [...chains('delete'), ...denials('delete'), 'delete set self4'].sort(),
    });
  });

  it('of a pod with an address of each family is made, switched to and taken away in both tables in the same stages', () => {
    const dual = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'], labels: { app: 'web' } });
    const isolated = [dual, policy('x/p', { podSelector: {} })];
    for (const { stages } of [change([dual], isolated), change(isolated, [dual])]) {
      const described = Object.values(describeStages(stages));
      assert.ok(described.length >= 2);
      for (const operations of described) {
        const [six, four] = [true, false].map((is) => operations.filter((each) => each.startsWith('ip6: ') === is));
        const digits = (text: string): string =>
          text
            .replace('ip6: ', '')
            .replace('fd01::1', '10.1.0.1')
            .replace(/(?<=[a-z])6/, '4');
        assert.ok(four!.length > 0);
        assert.deepEqual(six!.map(digits).sort(), four);
      }
    }
  });

  it('of the text of a chain that every node has replaces its rules', () => {
    const held = compile(...cluster);
    for (const [family, prefix] of Object.entries({ ip: '', ip6: 'ip6: ' }) as ['ip' | 'ip6', string][]) {
      const { chains, ...rest } = held[family]!;
      const older = { ...chains.get('forward')!, rules: chains.get('forward')!.rules.toReversed() };
      const table = { ...rest, chains: new Map(chains).set('forward', older) };
      const plan = planStages(compile(...cluster), { ...held, [family]: table });
      assert.deepEqual(describeStages(plan.stages), { switch: [`${prefix}replace rules forward`] });
    }
  });

  it('waits for packets in flight once: before it deletes what they may be in, or removes an element that denies', () => {
    const waits = ({ stages }: Plan): string[] =>
      stages.map(({ name, afterGracePeriod }) => (afterGracePeriod ? `wait, ${name}` : name));
    const [one, two] = [peer('x/one', '10.1.0.2'), peer('x/two', '10.1.0.3')];
    assert.deepEqual(waits(change(cluster, [web, one, allow(81)])), ['make', 'switch', 'wait, delete']);
    assert.deepEqual(waits(change([web, policy('x/p', { podSelector: {} })], [web])), [
      ...['switch', 'wait, break', 'delete'],
    ]);
    assert.deepEqual(waits(change([web, allow(80), one], [web, allow(80), two])), ['switch', 'break']);
    const held = compile(...cluster);
    const others = [{ kind: 'counter', name: 'stray' }] as const;
    assert.deepEqual(waits(planStages(held, { ...held, ip: { ...held.ip!, others } })), [
      ...['make', 'switch', 'wait, delete', 'delete'],
      ...['make', 'switch', 'wait, delete'],
    ]);
  });

  it('each stage is taken by itself, whatever the order of its objects', () => {
    const states = [
      [],
      cluster,
      [...cluster, peer('x/two', '10.1.0.3')],
      [web, allow(81)],
      [web],
      [...cluster].reverse(),
    ];
    let held: Ruleset | undefined;
    for (const state of states) {
      const plan = planStages(compile(...state), held);
      held = after(plan, 3, held ?? nothing);
      assert.deepEqual(planStages(compile(...state), held).stages, []);
    }
  });
});

describe('planStages: the table of bridges', () => {
  const guarded = withBridge(compile(...cluster), 'veth-a . 10.1.0.1');

  it('is made, and switched to, together with the others', () => {
    const plan = planStages(guarded, undefined);
    assert.deepEqual(
      plan.stages.map(({ name, operations }) => [
        name,
        operations.filter(({ family }) => family === 'bridge').map(({ verb }) => verb),
      ]),
      [
        ['make', ['add table', 'add set', 'add set', 'add chain']],
        ['switch', ['add chain']],
      ],
    );
    assert.deepEqual(planStages(guarded, after(plan, 2)).stages, []);
  });

  it('comes by itself where the others are there', () => {
    const plan = planStages(guarded, compile(...cluster));
    assert.deepEqual(describeStages(plan.stages), {
      make: ['bridge: add chain sources', 'bridge: add set if-ips4', 'bridge: add set ports', 'bridge: add table'],
      switch: ['bridge: add chain prerouting'],
    });
    assert.deepEqual(plain(after(plan, 2, compile(...cluster))), plain(plan.result));
  });

  it('switches and breaks in the stages of the others', () => {
    const [one, two] = [peer('x/one', '10.1.0.2'), peer('x/two', '10.1.0.3')];
    const before = withBridge(compile(web, allow(80), one), 'veth-a . 10.1.0.1');
    const plan = planStages(withBridge(compile(web, allow(80), two), 'veth-b . 10.1.0.1'), before);
    assert.deepEqual(describeStages(plan.stages), {
      switch: [
        'add elements tuples4: 10.1.0.3 . tcp . 80',
        'bridge: add elements if-ips4: veth-b . 10.1.0.1',
        'bridge: add elements ports: veth-b',
      ],
      break: [
        'bridge: delete elements if-ips4: veth-a . 10.1.0.1',
        'bridge: delete elements ports: veth-a',
        'delete elements tuples4: 10.1.0.2 . tcp . 80',
      ],
    });
  });

  it('is emptied when it is not wanted any more, and keeps its base chains', () => {
    const plan = planStages(compile(...cluster), guarded);
    assert.deepEqual(describeStages(plan.stages), {
      switch: ['bridge: replace rules prerouting'],
      delete: ['bridge: delete chain sources', 'bridge: delete set if-ips4', 'bridge: delete set ports'],
    });
    const left = after(plan, 2, guarded);
    assert.deepEqual(plain(left), plain(plan.result));
    const { base } = guarded.bridge!.chains.get('prerouting')!;
    assert.deepEqual(left.bridge, {
      sets: new Map(),
      maps: new Map(),
      chains: new Map([['prerouting', { name: 'prerouting', base, rules: [] }]]),
    });
    const again = planStages(compile(...cluster), left);
    assert.deepEqual(again.stages, []);
    assert.equal(again.result.bridge, left.bridge);
    assert.deepEqual(describeStages(planStages(guarded, left).stages), {
      make: ['bridge: add chain sources', 'bridge: add set if-ips4', 'bridge: add set ports'],
      switch: ['bridge: replace rules prerouting'],
    });
  });

  it('is emptied of what another program has put there, too', () => {
    const { stages, result } = planStages(compile(...cluster), {
      ...guarded,
      bridge: { ...guarded.bridge!, others: [{ kind: 'counter', name: 'c1' }] },
    });
    assert.ok(stages.every(({ operations }) => operations.every(({ verb }) => verb !== 'replace table')));
    assert.deepEqual([...result.bridge!.chains.keys()], ['prerouting']);
    assert.equal(result.bridge!.others, undefined);
  });

  it('is kept where the others have been deleted', () => {
    const plan = planStages(guarded, { bridge: guarded.bridge! });
    assert.ok(plan.stages.every(({ operations }) => operations.every(({ family }) => family !== 'bridge')));
    assert.equal(plan.stages[0]!.operations[0]!.verb, 'add table');
    assert.equal(plan.result.bridge, guarded.bridge);
  });

  it('is swept by itself', () => {
    const plan = planStages(guarded, compile(...cluster));
    const crashed = after(plan, 1, compile(...cluster));
    const sweep = planSweep(crashed);
    assert.deepEqual(describeStages(sweep.stages), {
      delete: ['bridge: delete chain sources', 'bridge: delete set if-ips4', 'bridge: delete set ports'],
    });
    const swept = applyOperations(crashed, sweep.stages[0]!.operations);
    assert.deepEqual(plain(swept), plain(sweep.result));
    assert.deepEqual(planStages(compile(...cluster), swept).stages, []);
    assert.deepEqual(plain(after(planStages(guarded, swept), 2, swept)), plain(guarded));
  });
});

describe('planSweep', () => {
  it('finds nothing in what is in use', () => {
    assert.deepEqual(planSweep(compile(...cluster)).stages, []);
    assert.deepEqual(planSweep(nothing).stages, []);
  });

  it('deletes what a crash after make left, and nothing else', () => {
    const before = compile(...cluster);
    const plan = planStages(compile(web, peer('x/one', '10.1.0.2'), allow(81)), before);
    const crashed = after(plan, 1, before);
    const sweep = planSweep(crashed);
    assert.deepEqual(describeStages(sweep.stages), {
      delete: ['delete chain ingress', 'delete chain ingress-e', 'delete chain ingress-r', 'delete set tuples4'],
    });
    assert.deepEqual(plain(applyOperations(crashed, sweep.stages[0]!.operations)), plain(before));
    assert.deepEqual(plain(sweep.result), plain(before));
  });

  it('deletes what a crash before delete left', () => {
    const before = compile(...cluster);
    const plan = planStages(compile(web, peer('x/one', '10.1.0.2'), allow(81)), before);
    const sweep = planSweep(after(plan, 2, before));
    assert.deepEqual(describeStages(sweep.stages), describeStages(plan.stages.slice(2)));
  });

  it('deletes all of a first load that did not come to its switch', () => {
    const plan = planStages(compile(...cluster), undefined);
    const crashed = after(plan, 1);
    const sweep = planSweep(crashed);
    assert.deepEqual(sweep.result, { ip: emptyTable, ip6: emptyTable });
    assert.deepEqual(applyOperations(crashed, sweep.stages[0]!.operations), sweep.result);
  });
});
