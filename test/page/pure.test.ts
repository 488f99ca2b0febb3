import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { openAtlas } from '../../src/map/open-atlas.ts';
import { placeAll, placeNew, type Item, type Point } from '../../src/page/canvas/place.ts';
import { compareMaps } from '../../src/page/compare.ts';
import { formatAge, shortLabel } from '../../src/page/format.ts';
import { findPolicy, linesOf, policyText } from '../../src/page/yaml/policy-text.ts';
import { readText } from '../../src/page/yaml/read-text.ts';
import { readMinute } from './support/cluster-data.ts';
import { shop } from './support/shop.ts';

const policy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  status: {},
  metadata: {
    ...{ name: 'api', namespace: 'shop', uid: 'u', managedFields: [{}] },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  },
  spec: {
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'api', app: 'x' } },
    ingress: [
      { from: [{ podSelector: {} }], ports: [{ port: 80 }] },
      { from: [{ podSelector: { matchLabels: { a: 'b' } } }] },
    ],
  },
};

describe('the YAML of a policy', () => {
  const text = policyText(policy);
  const markedAt = (path: string): string[] => {
    const [first, last] = linesOf(text, path)!;
    return text.split('\n').slice(first - 1, last);
  };

  it('has what its owner wrote', () => {
    assert.doesNotMatch(text, /uid|managedFields|last-applied|status/);
    assert.match(text, /^apiVersion: .*\nkind: NetworkPolicy\nmetadata:\n {2}name: api\n {2}namespace: shop\nspec:\n/);
    assert.deepEqual(readText(text).objects[0]!['spec'], policy.spec);
  });

  for (const [path, lines] of [
    ['spec.ingress[1]', ['  - from:', '    - podSelector:', '        matchLabels:', '          a: b']],
    ['spec.ingress[0].ports[0].port', ['    - port: 80']],
    ['spec.podSelector.matchLabels.app.kubernetes.io/name', ['      app.kubernetes.io/name: api']],
    ['spec.podSelector.matchLabels.app', ['      app: x']],
    ['spec.ingress[0].from[0].podSelector.matchLabels.gone', ['    - podSelector: {}']],
  ] as const) {
    it(`has a line for ${path}`, () => {
      assert.deepEqual(markedAt(path), lines);
    });
  }

  it('has no line for a path that begins with something else', () => {
    assert.equal(linesOf(text, 'metadatas.x'), undefined);
    assert.equal(linesOf(text, ''), undefined);
  });

  it('is found by the name that the evaluator gives it', () => {
    const guard = { kind: 'ClusterNetworkPolicy', metadata: { name: 'shop/api' } };
    assert.equal(findPolicy([guard, policy], 'shop/api'), policy);
    assert.equal(findPolicy([guard, policy], 'ClusterNetworkPolicy shop/api'), guard);
    assert.equal(findPolicy([guard, policy], 'shop/web'), undefined);
  });
});

describe('text that a user pastes', () => {
  it('may have several documents, lists and JSON', () => {
    const list = JSON.stringify({ kind: 'List', items: [policy, { ...policy, metadata: { name: 'two' } }] });
    assert.equal(readText(`---\n${policyText(policy)}---\n---\n${list}`).objects.length, 3);
    assert.deepEqual(readText(''), { objects: [], problems: [] });
    assert.deepEqual(readText('# only a comment\n').problems, []);
  });

  it('keeps what can be read, and names the line of the rest', () => {
    const { objects, problems } = readText(
      `kind: A\nmetadata: {name: a}\n---\n- b\n---\nkind: C\n---\nx: [\n---\n${policyText(policy)}`,
    );
    assert.equal(objects.length, 2);
    assert.deepEqual(
      problems.slice(0, 2).map(({ line }) => line),
      [4, 6],
    );
    assert.ok(problems.length >= 3);
  });

  it('cannot grow without limit by aliases, or change prototypes', () => {
    const bomb = `a: &a [x, x]\n${Array.from('bcdefghij', (name, index) => `${name}: &${name} [${`*${'abcdefghij'[index]}, `.repeat(9)}]`).join('\n')}`;
    const { problems } = readText(bomb);
    assert.match(problems[0]!.message, /alias/i);
    readText('kind: A\nmetadata: {name: a}\n__proto__: {attacked: 1}\nconstructor: {prototype: {attacked: 1}}');
    assert.equal(({} as { attacked?: number }).attacked, undefined);
  });

  it('with tabs, bytes and half a document is no exception', () => {
    for (const text of ['\t', '\u0000', '%YAML 9', '? ? ?', '&a *a', '!!js/function x', '{', 'a: b: c', '\uD800'])
      readText(text);
  });
});

describe('before and after', () => {
  it('tells what is new, gone, denied and allowed', () => {
    const atlas = openAtlas(shop());
    const before = atlas.map({ minutes: [readMinute - 59, readMinute - 5] });
    const after = atlas.map({ minutes: [readMinute - 4, readMinute] });
    const differences = compareMaps(before, after);
    assert.deepEqual(
      differences.map(({ kind, port, before: then, after: now }) => [kind, port, then, now > 0]),
      [
        ['new', 'TCP/6379', 0, true],
        ['new', 'TCP/8080', 0, true],
        ['new', 'TCP/5432', 0, true],
      ],
    );
    assert.deepEqual(
      compareMaps(after, before).map(({ kind }) => kind),
      ['gone', 'gone', 'gone'],
    );
    assert.deepEqual(compareMaps(before, before), []);
    const deniedAfter = {
      ...before,
      edges: before.edges.map((edge) => ({
        ...edge,
        ports: edge.ports.map((port) => ({ ...port, seen: { denied: 1 } })),
      })),
    };
    assert.ok(compareMaps(before, deniedAfter).every(({ kind }) => kind === 'denied'));
    assert.ok(compareMaps(deniedAfter, before).every(({ kind }) => kind === 'allowed'));
  });
});

describe('places', () => {
  const items = Array.from({ length: 120 }, (_, index) => ({
    ...{ id: `n${index}`, width: 60 + (index % 7) * 10, height: 28 },
    ...(index < 110 && { box: `b${index % 11}` }),
  }));
  const links = items.map(({ id }, index) => ({ from: id, to: `n${(index * 7) % 120}` }));
  const points = placeAll(items, links);

  it('are the same each time', () => assert.deepEqual(placeAll(items, links), points));

  const expectApart = (places: ReadonlyMap<string, Point>): void => {
    for (const one of items) {
      for (const two of items) {
        if (one === two) continue;
        const [a, b] = [places.get(one.id)!, places.get(two.id)!];
        const isApart = Math.abs(a.x - b.x) >= (one.width + two.width) / 2 || Math.abs(a.y - b.y) >= 28;
        assert.ok(isApart, `${one.id} and ${two.id}`);
      }
    }
  };

  it('do not overlap', () => expectApart(points));

  /** The edges of each box around its nodes, as it is drawn. */
  const boxesOf = (places: ReadonlyMap<string, Point>, all: readonly Item[]) =>
    [...Map.groupBy(all, ({ box }) => box)].flatMap(([box, members]) => {
      if (box === undefined) return [];
      const edges = (way: 'x' | 'y', size: 'width' | 'height', side: 1 | -1): number[] =>
        members.map((each) => places.get(each.id)![way] + (side * each[size]) / 2);
      const [left, top] = [Math.min(...edges('x', 'width', -1)) - 22, Math.min(...edges('y', 'height', -1)) - 22];
      return [
        {
          box,
          left,
          top,
          right: Math.max(...edges('x', 'width', 1)) + 22,
          bottom: Math.max(...edges('y', 'height', 1)) + 22,
        },
      ];
    });

  it('of nodes that come later are on no other node, and no box is on another', () => {
    const known = new Map(points);
    // Few, so that each box has room for its own.
    const late = items.filter((_, index) => index % 25 === 0);
    for (const { id } of late) known.delete(id);
    const places = new Map([...known, ...placeNew(late, items, links, known)]);
    expectApart(places);
    const boxes = boxesOf(places, items);
    for (const one of boxes) {
      for (const two of boxes) {
        const isApart =
          one.left >= two.right || two.left >= one.right || one.top >= two.bottom || two.top >= one.bottom;
        assert.ok(one === two || isApart, `${one.box} and ${two.box}`);
      }
    }
  });

  it('of very many nodes that come are on no other node', () => {
    const known = new Map(points);
    const late = items.filter((_, index) => index % 2 === 0);
    for (const { id } of late) known.delete(id);
    expectApart(new Map([...known, ...placeNew(late, items, links, known)]));
  });

  it('do not make a box grow over a node of others', () => {
    const size = { width: 60, height: 28 };
    const all = [
      { id: 'a', ...size, box: 'one' },
      { id: 'between', ...size },
      { id: 'b', ...size, box: 'one' },
    ];
    const known = new Map([
      ['a', { x: 0, y: 0 }],
      ['between', { x: 100, y: 0 }],
    ]);
    const at = placeNew([all[2]!], all, [], known).get('b')!;
    const places = new Map([...known, ['b', at] as const]);
    const [box] = boxesOf(places, all);
    assert.ok(box!.right < 70 || box!.bottom < -14 || box!.top > 14, JSON.stringify(at));
  });

  it('are those of before for nodes that come back, unless another one is there now', () => {
    const size = { width: 60, height: 28 };
    const [back, other] = [
      { id: 'back', ...size },
      { id: 'other', ...size },
    ];
    const known = new Map([['back', { x: 7, y: 9 }]]);
    assert.deepEqual(placeNew([back, other], [back, other], [], known).get('back'), { x: 7, y: 9 });
    const taken = new Map([...known, ['other', { x: 10, y: 10 }] as const]);
    const { x, y } = placeNew([back], [back, other], [], taken).get('back')!;
    assert.ok(Math.abs(x - 10) >= 60 || Math.abs(y - 10) >= 28, `${x} ${y}`);
  });

  it('end also where everything is taken', () => {
    const wide = Array.from({ length: 400 }, (_, index) => ({ id: `w${index}`, width: 500, height: 500, box: 'w' }));
    const known = new Map(
      wide.map(({ id }, index) => [id, { x: (index % 20) * 200, y: Math.floor(index / 20) * 200 }]),
    );
    const all = [...wide, { id: 'new', width: 60, height: 28, box: 'w' }];
    const { x } = placeNew([all.at(-1)!], all, [], known).get('new')!;
    assert.ok(x > 4000, String(x));
  });

  it('of nothing, or of one', () => {
    assert.equal(placeAll([], []).size, 0);
    assert.deepEqual([...placeAll([items[0]!], [{ from: 'n0', to: 'gone' }])], [['n0', { x: 0, y: 0 }]]);
    assert.deepEqual([...placeNew([items[0]!], items, links, new Map())], [['n0', { x: 0, y: 0 }]]);
  });
});

describe('labels and ages', () => {
  for (const [label, short] of [
    ['deployment/web', 'web'],
    ['shop/deployment/web', 'shop/web'],
    ['shop/deployment/web, deployment/api and 3 more', 'shop/web, api and 3 more'],
    ['198.51.100.0/24', '198.51.100.0/24'],
    ['fd00::/8', 'fd00::/8'],
    ['NetworkPolicy shop/web', 'NetworkPolicy shop/web'],
    ['shop: app=web', 'shop: app=web'],
  ] as const) {
    it(`${label} is short ${short}`, () => assert.equal(shortLabel(label), short));
  }

  it('are in the unit that people would use', () => {
    assert.deepEqual([-5, 4000, 99_000, 240_000, 9_000_000].map(formatAge), ['0 s', '4 s', '99 s', '4 min', '3 h']);
  });
});
