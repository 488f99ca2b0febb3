import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { applyOperations } from '../support/nft/edit.ts';
import { RefusedOperation, type RefusalReason } from '../support/nft/refusal.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Chain, Change, Match, NftSet, Operation, Ruleset, VerdictMap } from '../../src/nftables/ruleset.ts';
import { tableFamilies } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { loadOperations, on } from './load.ts';
import { makeTable } from './make-table.ts';
import { operations } from './random-operations.ts';
import { rulesets } from './random-ruleset.ts';

const set: NftSet = {
  name: 's',
  key: ['ipv4_addr', 'inet_service'],
  interval: true,
  elements: new Set(['10.0.0.0-10.0.0.9 . 80-90', '10.0.0.20 . 1']),
};
const plain: NftSet = { name: 'p', key: ['ipv4_addr'], interval: false, elements: new Set(['10.0.0.1']) };
const other: NftSet = { name: 'p6', key: ['ipv6_addr'], interval: false, elements: new Set(['fd00::1']) };
const records = { seconds: 60, size: 9 };
const noted: NftSet = { ...plain, name: 'noted', elements: new Set(), records };
const leaf: Chain = { name: 'leaf', rules: [] };
const user: Chain = {
  name: 'user',
  rules: [
    {
      matches: [{ kind: 'lookup', key: ['ip saddr', 'th dport'], set: 's' }],
      verdict: { kind: 'goto', chain: 'leaf' },
    },
  ],
};
const map: VerdictMap = {
  name: 'm',
  key: ['ipv4_addr'],
  interval: false,
  elements: new Map([['10.0.0.1', { kind: 'jump', chain: 'user' }]]),
};
const base: Chain = {
  name: 'forward',
  base: { hook: 'forward', priority: -10 },
  rules: [{ matches: [], verdict: { kind: 'vmap', key: ['ip saddr'], map: 'm' } }],
};
const standing = {
  ip: makeTable([set, plain, other, noted], [map], [leaf, user, base]),
  ip6: makeTable([plain], [], [leaf]),
};

function jumpTo(name: string, chain: string): Chain {
  return { name, rules: [{ matches: [], verdict: { kind: 'jump', chain } }] };
}

function matching(match: Match): Change {
  return { verb: 'add chain', chain: { name: 'new', rules: [{ matches: [match], verdict: { kind: 'drop' } }] } };
}

/** `!` marks what only we refuse. */
type Refused<Each> = [title: string, refused: Each, reason: RefusalReason, onlyUs?: '!'];

const refusedChanges: readonly Refused<Change>[] = [
  ['a keyword as a name', { verb: 'add chain', chain: { name: 'meter', rules: [] } }, 'name'],
  ['a name of 256 bytes', { verb: 'add set', set: { ...plain, name: 'x'.repeat(256) } }, 'name'],
  ['a name that begins with a digit', { verb: 'add set', set: { ...plain, name: '1x' } }, 'name'],
  ['a name with a colon', { verb: 'add set', set: { ...plain, name: 'a:b' } }, 'name', '!'],
  ['an empty name', { verb: 'add set', set: { ...plain, name: '' } }, 'name'],
  ['a name of letters beyond ASCII', { verb: 'add set', set: { ...plain, name: 'é' } }, 'name'],
  [
    'the same set with other types',
    { verb: 'add set', set: { ...plain, key: ['ipv6_addr'], elements: new Set() } },
    'exists',
  ],
  ['the same set with intervals', { verb: 'add set', set: { ...set, interval: false, elements: new Set() } }, 'exists'],
  ['the same set for records', { verb: 'add set', set: { ...plain, elements: new Set(), records } }, 'exists'],
  ['a set of records without them', { verb: 'add set', set: { ...plain, name: 'noted' } }, 'exists'],
  ['a set of more records', { verb: 'add set', set: { ...noted, records: { ...records, size: 10 } } }, 'exists', '!'],
  ['a map called like a set', { verb: 'add map', map: { ...map, name: 'p' } }, 'exists'],
  ['a chain called like a set', { verb: 'add chain', chain: { name: 'p', rules: [] } }, 'exists', '!'],
  [
    'a base chain with another priority',
    { verb: 'replace rules', chain: { ...base, base: { hook: 'forward', priority: 0 } } },
    'exists',
  ],
  ['a base chain made a plain one', { verb: 'replace rules', chain: { name: 'forward', rules: [] } }, 'exists', '!'],
  [
    'elements for a set that is not there',
    { verb: 'add elements', set: { ...plain, name: 'q' }, elements: ['10.0.0.1'] },
    'unknown',
    '!',
  ],
  ['an element that does not fit', { verb: 'add elements', set: plain, elements: ['10.0.0.1 . tcp'] }, 'syntax'],
  ['an element for all others in a set', { verb: 'add elements', set: plain, elements: ['*'] }, 'syntax', '!'],
  [
    'one in a map of intervals',
    {
      verb: 'add map',
      map: { ...map, name: 'n', interval: true, elements: new Map([['*', { kind: 'drop' }]]) },
    },
    'syntax',
    '!',
  ],
  ['a port too high', { verb: 'add elements', set, elements: ['10.0.0.30 . 65536'] }, 'syntax'],
  [
    'a range in a set without intervals',
    { verb: 'add elements', set: plain, elements: ['10.0.0.1-10.0.0.2'] },
    'syntax',
  ],
  ['a part of a range that is there', { verb: 'add elements', set, elements: ['10.0.0.5 . 80'] }, 'overlap'],
  [
    'a range around one that is there',
    { verb: 'add elements', set, elements: ['10.0.0.0-10.0.0.255 . 80-99'] },
    'overlap',
    '!',
  ],
  [
    'a range that begins in one that is there',
    { verb: 'add elements', set, elements: ['10.0.0.5-10.0.0.30 . 85-99'] },
    'overlap',
  ],
  [
    'another verdict for a key',
    { verb: 'add mappings', map, elements: new Map([['10.0.0.1', { kind: 'drop' }]]) },
    'exists',
  ],
  [
    'a mapping to a chain that is not there',
    { verb: 'add mappings', map, elements: new Map([['10.0.0.2', { kind: 'goto', chain: 'x' }]]) },
    'unknown',
  ],
  [
    'a mapping to a base chain',
    { verb: 'add mappings', map, elements: new Map([['10.0.0.2', { kind: 'goto', chain: 'forward' }]]) },
    'type',
  ],
  ['rules for a chain that is not there', { verb: 'replace rules', chain: { name: 'x', rules: [] } }, 'unknown'],
  ['a jump to a chain that is not there', { verb: 'add chain', chain: jumpTo('new', 'x') }, 'unknown'],
  ['a jump to a base chain', { verb: 'add chain', chain: jumpTo('new', 'forward') }, 'type'],
  ['a lookup in a set that is not there', matching({ kind: 'lookup', key: ['ip saddr'], set: 'x' }), 'unknown'],
  ['a lookup in a map', matching({ kind: 'lookup', key: ['ip saddr'], set: 'm' }), 'unknown', '!'],
  ['a lookup with too few fields', matching({ kind: 'lookup', key: ['ip saddr'], set: 's' }), 'type'],
  ['a lookup of the other family', matching({ kind: 'lookup', key: ['ip saddr'], set: 'p6' }), 'type'],
  [
    'a value that is none',
    matching({ kind: 'compare', field: 'ip saddr', op: '==', values: ['10.0.0'] }),
    'syntax',
    '!',
  ],
  ['no value', matching({ kind: 'compare', field: 'ip saddr', op: '==', values: [] }), 'syntax'],
  ['a state that is none', matching({ kind: 'compare', field: 'ct state', op: '==', values: ['fresh'] }), 'syntax'],
  ['a rule that is not ours', matching({ kind: 'foreign', text: 'x' }), 'syntax'],
  [
    'a comment of 129 bytes',
    {
      verb: 'replace rules',
      chain: { ...leaf, rules: [{ matches: [], verdict: { kind: 'drop' }, comment: 'x'.repeat(129) }] },
    },
    'syntax',
  ],
  [
    'a comment with a quotation mark',
    { verb: 'replace rules', chain: { ...leaf, rules: [{ matches: [], verdict: { kind: 'drop' }, comment: 'a"b' }] } },
    'syntax',
  ],
  ['a missing element deleted', { verb: 'delete elements', set: plain, elements: ['10.0.0.2'] }, 'missing'],
  ['an element deleted twice', { verb: 'delete elements', set: plain, elements: ['10.0.0.1', '10.0.0.1'] }, 'missing'],
  [
    'a part of a range deleted',
    { verb: 'delete elements', set, elements: ['10.0.0.0-10.0.0.8 . 80-90'] },
    'missing',
    '!',
  ],
  ['nothing deleted', { verb: 'delete elements', set, elements: [] }, 'syntax'],
  ['a missing mapping deleted', { verb: 'delete mappings', map, elements: ['10.0.0.9'] }, 'missing'],
  ['a missing chain deleted', { verb: 'delete chain', name: 'x' }, 'missing'],
  ['a missing chain flushed', { verb: 'flush chain', name: 'x' }, 'unknown'],
  ['a missing set flushed', { verb: 'flush set', name: 'x' }, 'unknown'],
  ['a missing counter deleted', { verb: 'delete other', kind: 'counter', name: 'x1' }, 'missing'],
  [
    'a device whose name is too long',
    matching({ kind: 'compare', field: 'iifname', op: '==', values: ['x'.repeat(16)] }),
    'syntax',
  ],
  ['a wildcard', matching({ kind: 'compare', field: 'iifname', op: '==', values: ['eth*'] }), 'syntax', '!'],
  ['a set that a rule looks up deleted', { verb: 'delete set', name: 's' }, 'busy'],
  ['a map that a rule looks up deleted', { verb: 'delete map', name: 'm' }, 'busy'],
  ['a chain that a rule goes to deleted', { verb: 'delete chain', name: 'leaf' }, 'busy'],
  ['a chain that a mapping jumps to deleted', { verb: 'delete chain', name: 'user' }, 'busy'],
  ['jumps in a circle', { verb: 'replace rules', chain: jumpTo('leaf', 'user') }, 'loop'],
];

const refused: readonly Refused<Operation>[] = [
  ...refusedChanges.map(([title, change, ...rest]): Refused<Operation> => [
    title,
    { family: 'ip', ...change },
    ...rest,
  ]),
  ['a table replaced where there is none', { verb: 'replace table', family: 'bridge' }, 'unknown'],
  ['a set deleted where there is no table', { verb: 'delete set', family: 'bridge', name: 's' }, 'unknown'],
  ['a set where there is no table', { verb: 'add set', family: 'bridge', set: plain }, 'unknown', '!'],
  ['a set of one table deleted in another', { verb: 'delete set', family: 'ip6', name: 's' }, 'missing'],
  ['a jump to a chain of another table', { verb: 'add chain', family: 'ip6', chain: jumpTo('new', 'user') }, 'unknown'],
];

describe('applyOperations refuses', () => {
  for (const [title, operation, reason] of refused) {
    it(title, () => {
      const error = attempt(standing, [{ family: 'ip', verb: 'add table' }, operation]);
      assert.ok(error instanceof RefusedOperation);
      assert.deepEqual([error.index, error.reason, error.code], [1, reason, 'refused']);
    });
  }

  it('jumps 16 chains deep, but not 15', () => {
    const deep = (depth: number): Operation[] =>
      on('ip', [
        { verb: 'add chain', chain: { name: 'c0', rules: [] } },
        ...Array.from({ length: depth - 1 }, (_, i): Change => ({
          verb: 'add chain',
          chain: jumpTo(`c${i + 1}`, `c${i}`),
        })),
        { verb: 'add chain', chain: { ...base, name: 'deep', rules: jumpTo('', `c${depth - 1}`).rules } },
      ]);
    assert.ok(!(attempt(standing, deep(15)) instanceof RefusedOperation));
    assert.equal((attempt(standing, deep(16)) as RefusedOperation).reason, 'loop');
  });
});

describe('applyOperations', () => {
  it('leaves all as it was when it refuses', () => {
    const before = structuredClone(standing);
    attempt(
      standing,
      on('ip', [
        { verb: 'delete elements', set: plain, elements: ['10.0.0.1'] },
        { verb: 'delete set', name: 's' },
      ]),
    );
    assert.deepEqual(standing, before);
  });

  it('keeps what no operation changes the same object', () => {
    const { ip, ip6 } = applyOperations(
      standing,
      on('ip', [
        { verb: 'add elements', set: plain, elements: ['10.0.0.1', '10.0.0.2'] },
        { verb: 'add elements', set, elements: ['10.0.0.20 . 1'] },
        { verb: 'add mappings', map, elements: map.elements },
      ]),
    );
    assert.deepEqual(ip!.sets.get('p')!.elements, new Set(['10.0.0.1', '10.0.0.2']));
    assert.equal(ip!.sets.get('s'), set);
    assert.equal(ip!.maps.get('m'), map);
    for (const [name, chain] of standing.ip.chains) assert.equal(ip!.chains.get(name), chain);
    assert.equal(ip6!.sets.get('p'), plain);
  });

  it('takes a key over to another verdict, and what it left away, in one script', () => {
    const { ip } = applyOperations(
      standing,
      on('ip', [
        { verb: 'delete mappings', map, elements: ['10.0.0.1'] },
        { verb: 'add mappings', map, elements: new Map([['10.0.0.1', { kind: 'goto', chain: 'leaf' }]]) },
        { verb: 'delete chain', name: 'user' },
        { verb: 'delete set', name: 's' },
      ]),
    );
    assert.deepEqual([...ip!.chains.keys()], ['leaf', 'forward']);
    assert.deepEqual(ip!.maps.get('m')!.elements, new Map([['10.0.0.1', { kind: 'goto', chain: 'leaf' }]]));
  });

  for (const family of tableFamilies) {
    it(`changes table ${family} where it is told to, and keeps the others`, () => {
      const small = makeTable([plain], [], [leaf]);
      const before: Ruleset = { ip: small, ip6: small, bridge: small };
      const { [family]: _, ...others } = before;
      const after = applyOperations(
        before,
        on(family, [
          { verb: 'delete set', name: 'p' },
          { verb: 'add chain', chain: jumpTo('new', 'leaf') },
        ]),
      );
      assert.deepEqual(after, { ...others, [family]: makeTable([], [], [leaf, jumpTo('new', 'leaf')]) });
      const empty = { ...others, [family]: makeTable([], [], []) };
      assert.deepEqual(applyOperations(after, [{ family, verb: 'replace table' }]), empty);
      assert.deepEqual(applyOperations(others, [{ family, verb: 'add table' }]), empty);
      assert.deepEqual(applyOperations(after, [{ family, verb: 'add table' }]), after);
    });
  }

  it('minds a circle only at the end, and only under a base chain', () => {
    const there: Operation = { family: 'ip', verb: 'replace rules', chain: jumpTo('leaf', 'user') };
    const back: Operation = { family: 'ip', verb: 'replace rules', chain: leaf };
    assert.deepEqual(applyOperations(standing, [there, back]), standing);
    const alone = { ip: makeTable([], [], [leaf]) };
    applyOperations(alone, [{ family: 'ip', verb: 'replace rules', chain: jumpTo('leaf', 'leaf') }]);
  });
});

describe('applyOperations and the kernel', () => {
  let kernel: Kernel;

  before(function () {
    const opened = Kernel.open('edit');
    if (typeof opened === 'string') return skipTest(this, opened);
    kernel = opened;
  });
  after(() => kernel?.close());

  for (const [title, operation, reason, onlyUs] of refused) {
    if (onlyUs) continue;
    it(`refuse ${title}`, () => {
      kernel.reset();
      assert.equal(kernel.run(renderScript(loadOperations(standing))), undefined);
      const stderr = kernel.run(renderScript([{ family: 'ip', verb: 'add table' }, operation])) ?? '';
      assert.match(stderr, reason === 'loop' ? /Too many links/ : /^\/dev\/stdin:2:/m);
    });
  }

  it('take and refuse the same scripts, name the same operation, and end in the same table', function () {
    this.timeout(600_000);
    const counts = { taken: 0, refused: 0 };
    const cases = rulesets.chain((ruleset) => operations(ruleset).map((script) => ({ ruleset, script })));
    fc.assert(
      fc.property(cases, ({ ruleset, script }) => {
        const ours = attempt(ruleset, script);
        // Stricter on purpose: see applyOperations.
        fc.pre(!(ours instanceof RefusedOperation && isStricter(ruleset, ours, script)));
        kernel.reset();
        assert.equal(kernel.run(renderScript(loadOperations(ruleset))), undefined);
        const theirs = kernel.run(renderScript(script));
        if (ours instanceof RefusedOperation) {
          counts.refused++;
          assert.notEqual(theirs, undefined, ours.message);
          // nft may stumble over a later operation first, so the one we name is asked for as the last.
          const upTo = kernel.run(renderScript(script.slice(0, ours.index + 1)));
          if (ours.reason !== 'loop') assert.match(upTo ?? '', new RegExp(`^/dev/stdin:${ours.index + 1}:`, 'm'));
        } else {
          counts.taken++;
          assert.equal(theirs, undefined);
        }
        assert.deepEqual(kernel.list(), ours instanceof RefusedOperation ? ruleset : ours);
      }),
      { numRuns: 100 },
    );
    assert.ok(counts.taken >= 10 && counts.refused >= 10, JSON.stringify(counts));
  });
});

function attempt(ruleset: Ruleset, script: readonly Operation[]): Ruleset | RefusedOperation {
  try {
    return applyOperations(ruleset, script);
  } catch (error) {
    if (error instanceof RefusedOperation) return error;
    throw error;
  }
}

/** What the operation misses may come in the same block. */
const declaring: ReadonlySet<Operation['verb']> = new Set(['add set', 'add map', 'add chain']);

function isStricter(ruleset: Ruleset, { reason, index }: RefusedOperation, script: readonly Operation[]): boolean {
  const operation = script[index]!;
  const { family } = operation;
  const verbsOf = (part: readonly Operation[]): Operation['verb'][] =>
    part.filter((each) => each.family === family).map(({ verb }) => verb);
  const [before, after] = [verbsOf(script.slice(0, index)), verbsOf(script.slice(index + 1))];
  // What adds makes the table, too.
  if (declaring.has(operation.verb) && !ruleset[family] && !before.includes('add table')) return true;
  if (reason === 'unknown' && after.some((verb) => declaring.has(verb))) return true;
  switch (operation.verb) {
    case 'add elements':
    case 'add mappings':
      return reason === 'overlap' || reason === 'unknown';
    case 'delete elements':
      return reason === 'missing' && operation.set.interval;
    case 'delete mappings':
      return reason === 'missing' && operation.map.interval;
    default:
      return reason === 'overlap';
  }
}
