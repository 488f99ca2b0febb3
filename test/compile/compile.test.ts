import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { defaultLimits } from '../../src/compile/shape-limits.ts';
import { Compiler } from '../../src/compile/compile.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Chain, ElementVerdict, KeyType, Ruleset, Table } from '../../src/nftables/ruleset.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { compileNode, removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { routedTables } from '../support/routed.ts';

const app = (value: string) => ({ podSelector: { matchLabels: { app: value } } });
const a = pod('x/a', { ips: ['10.1.0.1'], labels: { app: 'a' }, ports: [{ name: 'web', containerPort: 80 }] });
const b = pod('x/b', { ips: ['10.1.0.2'], labels: { app: 'b' }, ports: [{ name: 'web', containerPort: 8080 }] });
const all = (spec: object) => policy('x/p', { podSelector: {}, ...spec });

const compile = (...objects: readonly ApiObject[]) => compileNode('n1', objects);

/** The map's name says its family. */
function tableOfMap(ruleset: Ruleset, map: string): Table {
  const [ip, ip6] = routedTables(ruleset);
  return map.includes('4') ? ip : ip6;
}

function jump(ruleset: Ruleset, map: string, address: string): ElementVerdict | undefined {
  return tableOfMap(ruleset, map).maps.get(map)!.elements.get(address);
}

/**
 * The elements of every set that the class of an address looks in, itself and by way of ports, by the first letters of the set's name;
 * `p`: the ports that all may use.
 */
function looksIn(ruleset: Ruleset, map: string, address: string): Record<string, string[]> {
  const own = classOf(ruleset, map, address);
  const table = tableOfMap(ruleset, map);
  const ways = waysByPort(table, own);
  const open = ways.filter(({ chain }) => !chain).map(({ port }) => port);
  const sets = setsOf(table, [own, ...ways.flatMap(({ chain }) => chain ?? [])]);
  return { ...sets, ...(open.length > 0 && { p: open }) };
}

/** What each port leads to. */
function looksInByPort(ruleset: Ruleset, map: string, address: string): Record<string, Record<string, string[]>> {
  const table = tableOfMap(ruleset, map);
  const ways = waysByPort(table, classOf(ruleset, map, address));
  return Object.fromEntries(ways.map(({ port, chain }) => [port, setsOf(table, chain ? [chain] : [])]));
}

function classOf(ruleset: Ruleset, map: string, address: string): Chain {
  const verdict = jump(ruleset, map, address);
  return verdict && 'chain' in verdict ? tableOfMap(ruleset, map).chains.get(verdict.chain)! : assert.fail('no class');
}

function waysByPort(table: Table, { rules }: Chain): { port: string; chain: Chain | undefined }[] {
  const ways = rules.flatMap(({ verdict }) =>
    verdict.kind === 'vmap' ? [...table.maps.get(verdict.map)!.elements] : [],
  );
  return ways
    .map(([port, target]) => ({ port, chain: 'chain' in target ? table.chains.get(target.chain)! : undefined }))
    .sort((x, y) => (x.port < y.port ? -1 : 1));
}

function setsOf(table: Table, chains: readonly Chain[]): Record<string, string[]> {
  const matches = chains.flatMap(({ rules }) => rules.flatMap((rule) => rule.matches));
  const names = new Set(matches.flatMap((each) => (each.kind === 'lookup' ? each.set : [])));
  const byKind = Map.groupBy(names, (name) => name.split('-')[0]!);
  const elementsOf = (each: string): string[] => [...table.sets.get(each)!.elements];
  return Object.fromEntries([...byKind].map(([kind, same]) => [kind, same.flatMap(elementsOf).sort()]));
}

describe('Compiler: classes', () => {
  it('pods with the same rules share one class, whichever policies they come from', () => {
    const ruleset = compile(
      a,
      b,
      ...['a', 'b'].map((name) => policy(`x/${name}`, { ...app(name), ingress: [{ ports: [{ port: 80 }] }] })),
    );
    assert.deepEqual(jump(ruleset, 'ingress4', '10.1.0.1'), jump(ruleset, 'ingress4', '10.1.0.2'));
  });

  it('but not where a name means another number on each of them (S4.7)', () => {
    const ruleset = compile(a, b, all({ ingress: [{ ports: [{ port: 'web' }] }] }));
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.1'), { p: ['tcp . 80'] });
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.2'), { p: ['tcp . 8080'] });
  });

  it('an egress name is the number of each destination, and not of others or of its own (S4.8, S4.9)', () => {
    const to = (peers: unknown[]) =>
      compile(a, b, all({ policyTypes: ['Egress'], egress: [{ to: peers, ports: [{ port: 'web' }] }] }));
    assert.deepEqual(looksIn(to([]), 'egress4', '10.1.0.1'), {
      tuples4: ['10.1.0.1 . tcp . 80', '10.1.0.2 . tcp . 8080'],
    });
    assert.deepEqual(looksIn(to([app('b')]), 'egress4', '10.1.0.1'), { tuples4: ['10.1.0.2 . tcp . 8080'] });
    const block = { ipBlock: { cidr: '10.1.0.0/24', except: ['10.1.0.2/32'] } };
    assert.deepEqual(looksIn(to([block]), 'egress4', '10.1.0.1'), { tuples4: ['10.1.0.1 . tcp . 80'] });
    assert.deepEqual(looksIn(to([{ ipBlock: { cidr: '203.0.113.0/24' } }]), 'egress4', '10.1.0.1'), {});
  });

  it('a class that allows everything is no chain, and its pods count as isolated all the same', () => {
    const ruleset = compile(
      a,
      all({ ingress: [{}] }),
      policy('x/q', { podSelector: {}, ingress: [{ from: [app('b')] }] }),
    );
    assert.deepEqual(jump(ruleset, 'ingress4', '10.1.0.1'), { kind: 'continue' });
    const [ip, ip6] = routedTables(ruleset);
    assert.deepEqual([...ip.sets.get('isolated4')!.elements], ['10.1.0.1']);
    assert.deepEqual([ip.chains.has('deny-ingress'), ip6.chains.has('deny-ingress')], [false, false]);
  });

  it('all ports of a protocol are not everything', () => {
    const ports = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ protocol }));
    const ruleset = compile(a, all({ ingress: [{ ports }] }));
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.1'), {
      p: ['sctp . 0-65535', 'tcp . 0-65535', 'udp . 0-65535'],
    });
  });

  it('a group without members, a name nobody declares and a list that keeps nothing allow nothing (S3.17, S4.12, S9.5)', () => {
    const rules = [
      { from: [app('nobody')] },
      { from: [app('nobody')], ports: [{ port: 80 }] },
      { from: [app('nobody')], ports: [{ port: 80, endPort: 90 }] },
      { ports: [{ port: 'nobody' }] },
      { from: [app('b')], ports: [{ port: 'nobody' }] },
      { from: [{}] },
      { ports: [{ port: 0 }] },
      { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }] },
    ];
    for (const rule of rules) {
      assert.deepEqual(
        looksIn(compile(a, b, all({ ingress: [rule] })), 'ingress4', '10.1.0.1'),
        {},
        JSON.stringify(rule),
      );
    }
  });

  it('peers of one family leave the other closed (S8.1, S8.3)', () => {
    const dual = pod('x/dual', { ips: ['10.1.0.9', 'fd01::9'] });
    const ruleset = compile(dual, all({ ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }] }));
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.9'), { cidrs4: ['0.0.0.0-255.255.255.255 . 0-255'] });
    assert.deepEqual(looksIn(ruleset, 'ingress6', 'fd01::9'), {});
  });

  it('each family has a table of its own, where nothing is of the other, and what its pods lack is not there', () => {
    const dual = pod('x/dual', { ips: ['10.1.0.9', 'fd01::9'], labels: { app: 'dual' } });
    const from = [app('dual'), { ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '::/0' } }];
    const [ip, ip6] = routedTables(compile(a, dual, all({ ingress: [{ from, ports: [{ port: 80, endPort: 999 }] }] })));
    const types = ({ sets, maps }: Table): Set<KeyType> =>
      new Set([...sets.values(), ...maps.values()].flatMap(({ key }) => key));
    const fields = ({ chains }: Table): string => JSON.stringify([...chains.values()]);
    assert.ok(types(ip).has('ipv4_addr') && !types(ip).has('ipv6_addr'));
    assert.ok(types(ip6).has('ipv6_addr') && !types(ip6).has('ipv4_addr'));
    assert.ok(!/ip6 |icmpv6/.test(fields(ip)) && !/"(ip|icmp) /.test(fields(ip6)));
    const ofOneFamily = routedTables(compile(a, all({})));
    assert.deepEqual(
      ofOneFamily.map(({ chains }) => [...chains.keys()].some((name) => /^(deny-ingress|ingress-.{26})$/.test(name))),
      [true, false],
    );
  });

  it('the replies of a pod go through the mirror of its class, over the same sets', () => {
    const ruleset = compile(a, b, all({ ingress: [{ from: [app('b')], ports: [{ port: 80 }] }] }));
    assert.deepEqual(looksIn(ruleset, 'ingress4-r', '10.1.0.1'), looksIn(ruleset, 'ingress4', '10.1.0.1'));
    const { chain } = jump(ruleset, 'ingress4-r', '10.1.0.1') as { chain: string };
    const [match] = ruleset.ip!.chains.get(chain)!.rules[0]!.matches;
    assert.deepEqual(match?.kind === 'lookup' && match.key, ['ip daddr', 'meta l4proto', 'th sport']);
  });

  it('a pod without an address is in no map, and in nothing else', () => {
    const bare = compile();
    const waiting = pod('x/waiting', { labels: { app: 'a' } });
    assert.equal(renderRuleset(compile(waiting, all({ ingress: [{ from: [app('b')] }] }))), renderRuleset(bare));
  });

  it('a contested address is closed, in the directions in which it is isolated (S1.10)', () => {
    const ruleset = compile(
      pod('x/one', { ips: ['10.1.0.7'], labels: { app: 'one' } }),
      pod('x/two', { ips: ['10.1.0.7'], labels: { app: 'two' } }),
      policy('x/p', { ...app('one'), ingress: [{}] }),
    );
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.7'), {});
    assert.deepEqual(jump(ruleset, 'egress4', '10.1.0.7'), { kind: 'continue' });
  });

  it('of groups with ranges of ports, the four largest are looked up behind their ports, and the rest is written out', () => {
    const sizes = [4, 1, 16, 2, 32, 8];
    const members = sizes.flatMap((size) =>
      Array.from({ length: size }, (_, index) =>
        pod(`x/g${size}-${index}`, { node: 'n2', ips: [`10.2.${size}.${index}`], labels: { app: `g${size}` } }),
      ),
    );
    const rules = sizes.map((size) => ({
      from: [app(`g${size}`)],
      ports: [{ port: 1000 * size, endPort: 1000 * size + 99 }],
    }));
    const ruleset = compile(a, ...members, all({ ingress: rules }));
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.1')['cidrports4'], [
      '10.2.1.0 . tcp . 1000-1099',
      '10.2.2.0-10.2.2.1 . tcp . 2000-2099',
    ]);
    const byPort = looksInByPort(ruleset, 'ingress4', '10.1.0.1');
    const found = Object.entries(byPort).map(([port, sets]) => [port, sets['pods4']?.length ?? 0]);
    assert.deepEqual(
      found,
      [
        ['1', 0],
        ['16', 16],
        ['2', 0],
        ['32', 32],
        ['4', 4],
        ['8', 8],
      ].map(([first, size]) => [`tcp . ${first}000-${first}099`, size]),
    );
  });

  it('few neighbouring ports are exact, and so are those of a group as long as they can be written out', () => {
    const allowing = (endPort: number) =>
      compile(a, b, all({ ingress: [{ from: [app('b')], ports: [{ port: 80, endPort }] }] }));
    const written = looksIn(allowing(81), 'ingress4', '10.1.0.1');
    assert.deepEqual(written, { tuples4: ['10.1.0.2 . tcp . 80', '10.1.0.2 . tcp . 81'] });
    const behindPorts = (endPort: number) => {
      return looksInByPort(allowing(endPort), 'ingress4', '10.1.0.1');
    };
    const pods4 = ['10.1.0.2'];
    assert.deepEqual(
      behindPorts(88),
      Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`tcp . ${80 + i}`, { pods4 }])),
    );
    assert.equal(Object.keys(behindPorts(335)).length, 256);
    assert.deepEqual(behindPorts(336), { 'tcp . 80-336': { pods4 } });
  });

  it('a port leads to just the groups and blocks that may use it, where the ports of several overlap', () => {
    const range = (port: number, endPort: number) => ({ from: [], ports: [{ port, endPort }] });
    const blocks = Array.from({ length: 300 }, (_, i) => ({ ipBlock: { cidr: `20.${i >> 7}.${(i & 127) * 2}.1/32` } }));
    const ingress = [
      { ...range(1000, 1999), from: [app('a')] },
      { ...range(1500, 2499), from: [app('b')] },
      { from: blocks, ports: [{ port: 1600 }, { port: 1700 }, { protocol: 'UDP', port: 1500, endPort: 2499 }] },
      { ...range(1900, 1900), from: [app('none')] },
    ];
    const byPort = looksInByPort(compile(a, b, all({ ingress })), 'ingress4', '10.1.0.1');
    const found = Object.entries(byPort).map(([port, sets]) => [port, Object.keys(sets).join(), sets['pods4']?.join()]);
    assert.deepEqual(found, [
      ['tcp . 1000-1499', 'pods4', '10.1.0.1'],
      ['tcp . 1500-1599', 'pods4', '10.1.0.1,10.1.0.2'],
      ['tcp . 1600', 'pods4,cidrs4', '10.1.0.1,10.1.0.2'],
      ['tcp . 1601-1699', 'pods4', '10.1.0.1,10.1.0.2'],
      ['tcp . 1700', 'pods4,cidrs4', '10.1.0.1,10.1.0.2'],
      ['tcp . 1701-1999', 'pods4', '10.1.0.1,10.1.0.2'],
      ['tcp . 2000-2499', 'pods4', '10.1.0.2'],
      ['udp . 1500-2499', 'cidrs4', undefined],
    ]);
  });

  it('what is open on every port is looked up behind each port too, for no way leads back', () => {
    const ingress = [
      { from: [app('b')], ports: [{ port: 80, endPort: 500 }] },
      { from: [app('a')] },
      { from: [{ ipBlock: { cidr: '20.0.0.0/8' } }] },
    ];
    assert.deepEqual(looksInByPort(compile(a, b, all({ ingress })), 'ingress4', '10.1.0.1'), {
      'tcp . 80-500': { pods4: ['10.1.0.1', '10.1.0.2'], cidrs4: ['20.0.0.0-20.255.255.255 . 0-255'] },
    });
  });

  it('of a port that all may use, nothing is looked up: who else may use it is no set', () => {
    const block = { from: [{ ipBlock: { cidr: '20.0.0.0/8' } }], ports: [{ protocol: 'UDP', port: 53 }] };
    const ruleset = compile(a, all({ ingress: [{ ports: [{ protocol: 'UDP' }] }, block] }));
    assert.deepEqual(looksInByPort(ruleset, 'ingress4', '10.1.0.1'), { 'udp . 0-65535': {} });
    const elements = routedTables(ruleset).flatMap(({ sets }) =>
      [...sets.values()].flatMap((set) => [...set.elements]),
    );
    assert.deepEqual(
      elements.filter((element) => element.startsWith('20.')),
      [],
    );
  });

  it('of a group for which that were too much, neighbouring ports stay a range where they are written out', () => {
    const limits = { ...defaultLimits, maxTuples: 1, maxSharedLookups: 0 };
    const rule = { from: [app('b')], ports: [{ port: 80, endPort: 81 }] };
    const ruleset = compileNode('n1', [namespace('x'), a, b, all({ ingress: [rule] })], limits);
    assert.deepEqual(looksIn(ruleset, 'ingress4', '10.1.0.1'), { cidrports4: ['10.1.0.2 . tcp . 80-81'] });
  });

  it('exact tuples come first', () => {
    const rules = [{ ports: [{ port: 53 }] }, { from: [app('b')], ports: [{ port: 80 }] }];
    assert.deepEqual(Object.keys(looksIn(compile(a, b, all({ ingress: rules })), 'ingress4', '10.1.0.1')), [
      'tuples4',
      'p',
    ]);
  });

  it('of groups that pass each other in size moves no pod', () => {
    const chainOf = (sizes: Readonly<Record<string, number>>) => {
      const members = Object.entries(sizes).flatMap(([name, size], group) =>
        Array.from({ length: size }, (_, index) =>
          pod(`x/${name}-${index}`, { node: 'n2', ips: [`10.2.${group}.${index}`], labels: { app: name } }),
        ),
      );
      const rules = Object.keys(sizes).map((name, index) => ({
        from: [app(name)],
        ports: [{ port: 1000 * (index + 1), endPort: 1000 * (index + 1) + 9 }],
      }));
      return jump(compile(a, ...members, all({ ingress: rules })), 'ingress4', '10.1.0.1');
    };
    assert.deepEqual(chainOf({ one: 5, two: 6 }), chainOf({ one: 7, two: 6 }));
    // One of five is written out.
    const five = { one: 4, two: 4, three: 5, four: 6, five: 5 };
    assert.deepEqual(chainOf(five), chainOf({ ...five, two: 7 }));
  });

  it('names depend on content alone', () => {
    const objects = [namespace('x'), a, b, all({ ingress: [{ from: [app('b')], ports: [{ port: 80 }] }] })];
    assert.equal(renderRuleset(compile(...objects)), renderRuleset(compile(...objects.toReversed())));
  });
});

describe('Compiler: refused policies (S9.10)', () => {
  const good = policy('x/good', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] });
  const bad = policy('x/bad', {
    ...app('a'),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [{ port: 81 }] }],
  });
  const emptied = policy('x/bad', { ...app('a'), policyTypes: ['Ingress', 'Egress'] });

  it('isolate as before, allow nothing, and change nothing else', () => {
    const pipeline = startPipeline('n1', [a, b, good, bad]);
    const { ruleset } = pipeline.plan(undefined, new Set(['x/bad'])).compiled;
    assert.equal(renderRuleset(ruleset), renderRuleset(compile(a, b, good, emptied)));
  });

  it('are forgotten at the next run without them', () => {
    const pipeline = startPipeline('n1', [a, b, good, bad]);
    const healthy = renderRuleset(pipeline.plan(undefined).compiled.ruleset);
    pipeline.plan(undefined, new Set(['x/bad']));
    assert.equal(renderRuleset(pipeline.plan(undefined).compiled.ruleset), healthy);
    assert.equal(healthy, renderRuleset(compile(a, b, good, bad)));
  });
});

describe('Compiler: what it remembers', () => {
  const p = all({
    ingress: [
      { from: [app('b')], ports: [{ port: 80 }] },
      { from: [app('b')], ports: [{ protocol: 'UDP' }] },
    ],
  });

  it('builds only classes whose rules or groups have changed', () => {
    const pipeline = startPipeline('n1', [a, b, p, policy('x/q', { ...app('a'), ingress: [{ from: [app('c')] }] })]);
    const built = () => pipeline.plan(undefined).compiled.counts.builtClasses;
    assert.equal(built(), 2);
    assert.equal(built(), 0);
    pipeline.receive(upsertOf(pod('x/c', { node: 'n2', ips: ['10.1.0.3'], labels: { app: 'c' } })));
    assert.equal(built(), 1, 'only a looks at group c');
    pipeline.receive(removeOf(p));
    assert.equal(built(), 1);
  });

  it('notices who begins and who ceases to declare a name', () => {
    const toWeb = policy('x/q', {
      ...app('a'),
      policyTypes: ['Egress'],
      egress: [{ to: [app('c')], ports: [{ port: 'api' }] }],
    });
    const c = (name: string) =>
      pod('x/c', { node: 'n2', ips: ['10.1.0.3'], labels: { app: 'c' }, ports: [{ name, containerPort: 443 }] });
    const pipeline = startPipeline('n1', [a, toWeb, c('none')]);
    const reached = () => looksIn(pipeline.plan(undefined).compiled.ruleset, 'egress4', '10.1.0.1');
    assert.deepEqual(reached(), {});
    pipeline.receive(upsertOf(c('api')));
    assert.deepEqual(reached(), { tuples4: ['10.1.0.3 . tcp . 443'] });
    pipeline.receive(upsertOf(c('none')));
    assert.deepEqual(reached(), {});
    // A destination of an egress name without peers is in no group but that of its declarers.
    const anywhere = startPipeline('n1', [a, policy('x/q', { ...app('a'), egress: [{ ports: [{ port: 'api' }] }] })]);
    anywhere.plan(undefined);
    anywhere.receive(upsertOf(c('api')));
    assert.deepEqual(looksIn(anywhere.plan(undefined).compiled.ruleset, 'egress4', '10.1.0.1'), {
      tuples4: ['10.1.0.3 . tcp . 443'],
    });
  });

  it('counts pods that something isolates, and their classes', () => {
    const { counts } = startPipeline('n1', [a, b, policy('x/q', { ...app('a') })]).plan(undefined).compiled;
    assert.deepEqual(counts, { classes: 1, visitedClasses: 1, builtClasses: 1, isolatedPods: 1, work: 0, rounds: 1 });
  });

  it('gives the same object for a set that has not changed, and a new one for one that has', () => {
    const pipeline = startPipeline('n1', [a, b, p]);
    const before = routedTables(pipeline.plan(undefined).compiled.ruleset);
    pipeline.receive(upsertOf(pod('x/c', { ips: ['10.1.0.3'], labels: { app: 'c' } })));
    const after = routedTables(pipeline.plan(undefined).compiled.ruleset);
    const others = after.map(({ sets }, index) =>
      [...sets].filter(([name, set]) => set !== before[index]!.sets.get(name)).map(([name]) => name),
    );
    assert.deepEqual(others, [['isolated4', 'self4'], []]);
  });

  it('does not show in what it gives', () => {
    const compiler = new Compiler();
    const objects = [a, b, p];
    const pipeline = startPipeline('n1', objects);
    compiler.compile(pipeline.snapshot);
    pipeline.receive(removeOf(b));
    assert.equal(renderRuleset(compiler.compile(pipeline.snapshot).ruleset), renderRuleset(compile(a, p)));
    pipeline.receive(upsertOf(b));
    assert.equal(renderRuleset(compiler.compile(pipeline.snapshot).ruleset), renderRuleset(compile(a, b, p)));
  });
});
