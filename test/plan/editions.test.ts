import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import type { Ruleset, StageName, Table } from '../../src/nftables/ruleset.ts';
import { chooseEditions } from '../../src/plan/conflicts.ts';
import { differenceOf } from '../../src/plan/difference.ts';
import { editionsIn, inEditions } from '../../src/plan/editions.ts';
import { planStages } from '../../src/plan/plan.ts';
import { pod, policy } from '../support/objects.ts';
import { compileNode, startPipeline } from '../support/pipeline.ts';
import { routedTables } from '../support/routed.ts';
import { describeStages } from './describe-plan.ts';

interface NodeState {
  readonly extra: boolean;
  readonly members: readonly string[];
  readonly ports?: object;
  /** The pods have an IPv6 address too. */
  readonly dual?: boolean;
}

/**
 * Pod one is allowed group a on every protocol, and port 443 for all where `extra` says so, so that its class is another one while
 * it reads the same set of group a. Pod two reads that set alone. With `ports`, they read it behind a port map.
 */
function nodeState({ extra, members, ports, dual = false }: NodeState): Ruleset {
  const from = [{ podSelector: { matchLabels: { group: 'a' } } }];
  return compileNode('n1', [
    pod('x/one', { ips: ['10.1.0.1', ...(dual ? ['fd01::1'] : [])], labels: { role: 'one' } }),
    pod('x/two', { ips: ['10.1.0.2', ...(dual ? ['fd01::2'] : [])], labels: { role: 'two' } }),
    ...members.map((ip) => pod(`x/peer-${ip}`, { node: 'n2', ips: [ip], labels: { group: 'a' } })),
    policy('x/a', { podSelector: {}, ingress: [{ from, ...(ports && { ports: [ports] }) }] }),
    ...(extra
      ? [policy('x/extra', { podSelector: { matchLabels: { role: 'one' } }, ingress: [{ ports: [{ port: 443 }] }] })]
      : []),
  ]);
}

const bare = nodeState({ extra: false, members: ['10.1.0.11'] });
const bareTable = bare.ip!;
const groupSet = [...bareTable.sets.keys()].find((name) => name.startsWith('pods4-'))!;

function go(desired: Ruleset, held: Ruleset): { held: Ruleset; stages: Record<string, string[]>; second: string[] } {
  const plan = planStages(desired, held);
  const result = plan.stages.reduce((each, { operations }) => applyOperations(each, operations), held);
  assert.deepEqual(planStages(desired, result).stages, [], 'the way is complete');
  return {
    held: result,
    stages: describeStages(plan.stages),
    second: routedTables(result).flatMap((table) => [...editionsIn(table)]),
  };
}

describe('a set that changes together with the class of a pod that reads it', () => {
  const moved = { extra: true, members: ['10.1.0.12'] };

  it('is written anew, under its other name, with all chains that read it', () => {
    const { stages, second } = go(nodeState(moved), bare);
    assert.deepEqual(second, [groupSet]);
    assert.deepEqual(stages['make'], [
      'add chain ingress-e/…',
      'add chain ingress-e/…',
      'add chain ingress-r/…',
      'add chain ingress-r/…',
      'add chain ingress/…',
      'add chain ingress/…',
      'add map ports',
      'add map ports-e',
      'add map ports-r',
      'add set pods4/2',
    ]);
    assert.deepEqual(stages['delete'], [
      ...['delete chain ingress', 'delete chain ingress-e', 'delete chain ingress-r', 'delete set pods4'],
    ]);
    assert.ok(!stages['switch']!.some((operation) => operation.includes('elements')), 'nothing is edited in place');
  });

  it('is written anew behind a port map too, with the map and what it leads to', () => {
    const ports = { port: 1000, endPort: 1999 };
    const { held, stages, second } = go(
      nodeState({ ...moved, ports }),
      nodeState({ extra: false, members: ['10.1.0.11'], ports }),
    );
    assert.deepEqual(second, [groupSet]);
    assert.deepEqual(stages['make'], [
      ...['add chain ingress-e/…', 'add chain ingress-e/…', 'add chain ingress-e/…'],
      ...['add chain ingress-r/…', 'add chain ingress-r/…', 'add chain ingress-r/…'],
      ...['add chain ingress/…', 'add chain ingress/…', 'add chain ingress/…'],
      ...[
        'add map ports',
        'add map ports-e',
        'add map ports-e/…',
        'add map ports-r',
        'add map ports-r/…',
        'add map ports/…',
        'add set pods4/2',
      ],
    ]);
    assert.ok(!stages['switch']!.some((operation) => operation.includes('elements')), 'nothing is edited in place');
    const back = go(nodeState({ extra: false, members: ['10.1.0.11'], ports }), held);
    assert.deepEqual(back.second, []);
  });

  it('stays in that edition as long as nothing asks for the other', () => {
    const first = go(nodeState(moved), bare);
    const more = go(nodeState({ extra: true, members: ['10.1.0.12', '10.1.0.13'] }), first.held);
    assert.deepEqual(more.stages, { switch: ['add elements pods4/2: 10.1.0.13'] });
    assert.deepEqual(more.second, [groupSet]);
    const less = go(nodeState({ extra: true, members: ['10.1.0.13'] }), more.held);
    assert.deepEqual(less.stages, { break: ['delete elements pods4/2: 10.1.0.12'] });
  });

  it('goes back to its first name at the next such change', () => {
    const first = go(nodeState(moved), bare);
    const back = go(bare, first.held);
    assert.deepEqual(back.second, []);
    assert.ok(back.stages['make']!.includes('add set pods4') && back.stages['delete']!.includes('delete set pods4/2'));
    assert.deepEqual(planStages(bare, back.held).stages, []);
    assert.deepEqual(go(nodeState(moved), back.held).second, [groupSet]);
  });

  it('is edited in place where no pod that reads it moves', () => {
    const { stages, second } = go(nodeState({ extra: false, members: ['10.1.0.12'] }), bare);
    assert.deepEqual(second, []);
    assert.deepEqual(stages, {
      switch: ['add elements pods4: 10.1.0.12'],
      break: ['delete elements pods4: 10.1.0.11'],
    });
  });

  it('is not written anew where it only gains, or where only the class changes', () => {
    const names = (desired: Ruleset): StageName[] => planStages(desired, bare).stages.map(({ name }) => name);
    const gaining = nodeState({ extra: true, members: ['10.1.0.11'] }).ip!;
    const difference = differenceOf(bareTable, gaining);
    assert.deepEqual([...chooseEditions(gaining, bareTable, difference)], []);
    assert.deepEqual(names(nodeState({ extra: false, members: ['10.1.0.11', '10.1.0.12'] })), ['switch']);
  });

  const range = ['10.1.0.0/29'];
  const crowd = (isThere: boolean, peers: string[]): Ruleset => {
    const objects = [
      pod('x/stays', { ips: ['10.1.0.2'] }),
      ...(isThere ? [pod('x/moves', { ips: ['10.1.0.3'] })] : []),
      ...peers.map((ip) => pod(`x/peer-${ip}`, { node: 'n2', ips: [ip], labels: { group: 'a' } })),
      policy('x/a', { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { group: 'a' } } }] }] }),
    ];
    return startPipeline('n1', objects, { podCidrs: range }).plan(undefined).compiled.ruleset;
  };
  const [one, both] = [['10.1.0.11'], ['10.1.0.11', '10.1.0.12']];

  it('is written anew where an address comes that might be passed what is taken away, or goes that might be passed what is added', () => {
    assert.deepEqual(go(crowd(true, one), crowd(false, both)).second, [groupSet]);
    assert.deepEqual(go(crowd(false, both), crowd(true, one)).second, [groupSet]);
  });

  it('is edited in place where an address comes with what is added, or goes with what is taken away', () => {
    assert.deepEqual(go(crowd(true, both), crowd(false, one)).second, []);
    assert.deepEqual(go(crowd(false, one), crowd(true, both)).second, []);
  });

  it('is not written anew for the sake of the other family, whose set does not change', () => {
    const members = (v4: string) => [v4, 'fd01::11'];
    const before = nodeState({ extra: false, members: members('10.1.0.11'), dual: true });
    const { stages, second } = go(nodeState({ extra: true, members: members('10.1.0.12'), dual: true }), before);
    assert.deepEqual(second, [groupSet]);
    assert.deepEqual(
      stages['make']!.filter((operation) => operation.startsWith('ip6: ')),
      [
        ...['ip6: add chain ingress', 'ip6: add chain ingress-e', 'ip6: add chain ingress-r'],
        ...['ip6: add map ports', 'ip6: add map ports-e', 'ip6: add map ports-r'],
      ],
    );
    const both = go(nodeState({ extra: true, members: ['10.1.0.12', 'fd01::12'], dual: true }), before);
    assert.deepEqual(both.second, [groupSet, groupSet.replace('pods4', 'pods6')]);
  });

  it('is forgotten when it is gone', () => {
    const first = go(nodeState(moved), bare);
    const none = compileNode('n1', [pod('x/one', { ips: ['10.1.0.1'] })]);
    assert.deepEqual(go(none, first.held).second, []);
  });
});

describe('inEditions', () => {
  it('changes nothing but names, and nothing at all for sets that are not there', () => {
    assert.equal(inEditions(bareTable, new Set(['pods4-gone'])), bareTable);
    const second = inEditions(bareTable, new Set([groupSet]));
    assert.deepEqual(second.sets.get(`${groupSet}/2`)!.elements, bareTable.sets.get(groupSet)!.elements);
    assert.equal(second.sets.has(groupSet), false);
    assert.equal(second.chains.get('forward'), bareTable.chains.get('forward'));
  });

  it('names a chain by the editions of all that it reads', () => {
    const set = (name: string) => ({ name, key: ['ipv4_addr' as const], interval: false, elements: new Set<string>() });
    const look = (name: string) => ({
      matches: [{ kind: 'lookup' as const, key: ['ip saddr' as const], set: name }],
      verdict: { kind: 'return' as const },
    });
    const table: Table = {
      sets: new Map(['a', 'b'].map((name) => [name, set(name)])),
      maps: new Map([
        [
          'm',
          {
            name: 'm',
            key: ['ipv4_addr'],
            interval: false,
            elements: new Map([['10.1.0.1', { kind: 'jump', chain: 'c' }]]),
          },
        ],
      ]),
      chains: new Map([['c', { name: 'c', rules: [look('a'), look('b')] }]]),
    };
    const names = [['a'], ['b'], ['a', 'b']].map((editions) => {
      const { chains, maps } = inEditions(table, new Set(editions));
      const [name] = [...chains.keys()];
      assert.deepEqual(maps.get('m')!.elements.get('10.1.0.1'), { kind: 'jump', chain: name });
      return name;
    });
    assert.equal(new Set([...names, 'c']).size, 4, names.join());
  });
});
