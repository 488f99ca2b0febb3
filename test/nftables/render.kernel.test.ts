import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { renderOperation, renderRuleset, renderScript } from '../../src/nftables/render.ts';
import type { Chain, NftSet, Operation, VerdictMap } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { rulesetOf } from './random-ruleset.ts';

const set: NftSet = {
  name: 's',
  key: ['ipv4_addr', 'inet_proto'],
  interval: true,
  elements: new Set(['10.0.0.1 . 0-255']),
};
const map: VerdictMap = {
  name: 'm',
  key: ['ipv4_addr'],
  interval: false,
  elements: new Map([['10.0.0.1', { kind: 'jump', chain: 'c' }]]),
};
const chain: Chain = {
  name: 'c',
  rules: [
    { matches: [{ kind: 'lookup', key: ['ip saddr', 'meta l4proto'], set: 's' }], verdict: { kind: 'return' } },
    { matches: [], counter: true, verdict: { kind: 'drop' } },
  ],
};
const base: Chain = {
  name: 'forward',
  base: { hook: 'forward', priority: -10 },
  rules: [{ matches: [], verdict: { kind: 'vmap', key: ['ip saddr'], map: 'm' } }],
};

const owners: NftSet = {
  name: 'owners4',
  key: ['ifname', 'ipv4_addr'],
  interval: false,
  elements: new Set(['drop . 10.0.0.1']),
};
const prerouting: Chain = {
  name: 'prerouting',
  base: { hook: 'prerouting', priority: -300 },
  rules: [
    { matches: [{ kind: 'lookup', key: ['iifname', 'arp saddr ip'], set: 'owners4' }], verdict: { kind: 'return' } },
  ],
};

/** In an order in which the kernel takes them. */
const operations: readonly [Operation, string][] = [
  [{ verb: 'add table' }, 'add table inet postern'],
  [{ verb: 'replace table' }, 'delete table inet postern; add table inet postern'],
  [
    { verb: 'add set', set },
    'table inet postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.1 . 0-255 }; }; }',
  ],
  [
    { verb: 'add set', set: { ...set, name: 'e', interval: false, elements: new Set() } },
    'table inet postern { set e { type ipv4_addr . inet_proto; }; }',
  ],
  [
    { verb: 'add chain', chain },
    'table inet postern { chain c { ip saddr . meta l4proto @s return; counter drop; }; }',
  ],
  [
    { verb: 'add map', map },
    'table inet postern { map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : jump c }; }; }',
  ],
  [
    { verb: 'add chain', chain: base },
    'table inet postern { chain forward { type filter hook forward priority -10; policy accept; ip saddr vmap @m; }; }',
  ],
  [
    { verb: 'replace rules', chain: { ...base, rules: [{ matches: [], verdict: { kind: 'jump', chain: 'c' } }] } },
    'flush chain inet postern forward; table inet postern { chain forward { type filter hook forward priority -10; policy accept; jump c; }; }',
  ],
  [
    { verb: 'replace rules', chain: { ...chain, rules: [] } },
    'flush chain inet postern c; table inet postern { chain c { }; }',
  ],
  [
    { verb: 'add elements', set, elements: ['10.0.0.4 . tcp', '10.0.0.2-10.0.0.3 . 1-9'] },
    'table inet postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.2-10.0.0.3 . 1-9, 10.0.0.4 . tcp }; }; }',
  ],
  [
    { verb: 'delete elements', set, elements: ['10.0.0.1 . 0-255', '10.0.0.2-10.0.0.3 . 1-9'] },
    'delete element inet postern s { 10.0.0.1 . 0-255, 10.0.0.2-10.0.0.3 . 1-9 }',
  ],
  [
    { verb: 'add mappings', map, elements: new Map([['10.0.0.2', { kind: 'return' }]]) },
    'table inet postern { map m { type ipv4_addr : verdict; elements = { 10.0.0.2 : return }; }; }',
  ],
  [
    { verb: 'delete mappings', map, elements: ['10.0.0.1', '10.0.0.2'] },
    'delete element inet postern m { 10.0.0.1, 10.0.0.2 }',
  ],
  [{ verb: 'delete chain', name: 'forward' }, 'delete chain inet postern forward'],
  [{ verb: 'delete chain', name: 'c' }, 'delete chain inet postern c'],
  [{ verb: 'delete map', name: 'm' }, 'delete map inet postern m'],
  [{ verb: 'delete set', name: 's' }, 'delete set inet postern s'],
  [{ verb: 'add table', family: 'bridge' }, 'add table bridge postern'],
  [
    { verb: 'add set', family: 'bridge', set: owners },
    'table bridge postern { set owners4 { type ifname . ipv4_addr; elements = { "drop" . 10.0.0.1 }; }; }',
  ],
  [
    { verb: 'add elements', family: 'bridge', set: owners, elements: ['a:b@c . 10.0.0.2'] },
    'table bridge postern { set owners4 { type ifname . ipv4_addr; elements = { "a:b@c" . 10.0.0.2 }; }; }',
  ],
  [
    { verb: 'delete elements', family: 'bridge', set: owners, elements: ['drop . 10.0.0.1'] },
    'delete element bridge postern owners4 { "drop" . 10.0.0.1 }',
  ],
  [
    { verb: 'add chain', family: 'bridge', chain: prerouting },
    'table bridge postern { chain prerouting { type filter hook prerouting priority -300; policy accept; iifname . arp saddr ip @owners4 return; }; }',
  ],
  [{ verb: 'replace table', family: 'bridge' }, 'delete table bridge postern; add table bridge postern'],
  [{ verb: 'delete table', family: 'bridge' }, 'delete table bridge postern'],
];

describe('the text of an operation', () => {
  for (const [operation, text] of operations) it(text, () => assert.equal(renderOperation(operation), text));

  it('is one line in a script, so that line n of an error is operation n, and shares a block with its neighbours', () => {
    const elements = ['10.0.0.4 . tcp'];
    const script = renderScript([
      { verb: 'add table' },
      { verb: 'add set', set },
      { verb: 'add chain', chain },
      { verb: 'add elements', set, elements },
      { verb: 'delete chain', name: 'c' },
      { verb: 'replace rules', chain: base },
      { verb: 'add map', map },
      { verb: 'add set', family: 'bridge', set: owners },
    ]);
    assert.deepEqual(script.split('\n'), [
      'add table inet postern',
      'table inet postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.1 . 0-255 }; }',
      'chain c { ip saddr . meta l4proto @s return; counter drop; }; }',
      'table inet postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.4 . tcp }; }; }',
      'delete chain inet postern c',
      'flush chain inet postern forward; table inet postern { chain forward { type filter hook forward priority -10; policy accept; ip saddr vmap @m; }',
      'map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : jump c }; }; }',
      'table bridge postern { set owners4 { type ifname . ipv4_addr; elements = { "drop" . 10.0.0.1 }; }; }',
      '',
    ]);
  });

  describe('is taken by the kernel', () => {
    let kernel: Kernel;
    before(function () {
      const opened = Kernel.open('render');
      if (typeof opened === 'string') return skipTest(this, opened);
      kernel = opened;
    });
    after(() => kernel?.close());

    it('one by one', () => {
      for (const [operation, text] of operations) {
        assert.equal(kernel.run(renderScript([operation]), { check: true }), undefined, text);
        assert.equal(kernel.run(renderScript([operation])), undefined, text);
      }
      assert.deepEqual([...kernel.list().sets.keys()], ['e']);
    });

    it('all in one script', () => {
      kernel.reset();
      assert.equal(kernel.run(renderScript(operations.map(([operation]) => operation))), undefined);
    });

    it('additions are of a set that may hold more, and replace nothing', () => {
      kernel.reset();
      const more: Operation = { verb: 'add elements', set, elements: ['10.0.0.9 . 17'] };
      assert.equal(kernel.run(renderScript([{ verb: 'add table' }, { verb: 'add set', set }, more])), undefined);
      assert.deepEqual(kernel.list().sets.get('s')?.elements, new Set(['10.0.0.1 . 0-255', '10.0.0.9 . udp']));
    });

    it('one refused operation leaves the table as it was, and its line says which', () => {
      kernel.reset();
      const nowhere: Chain = { name: 'd', rules: [{ matches: [], verdict: { kind: 'goto', chain: 'nowhere' } }] };
      const broken: Operation[] = [
        { verb: 'delete chain', name: 'nowhere' },
        { verb: 'add chain', chain: nowhere },
        { verb: 'add map', map },
        { verb: 'add elements', set: { ...set, interval: false }, elements: ['10.0.0.2 . tcp'] },
        { verb: 'add elements', set: { ...owners, name: 'o' }, elements: ['x . 10.0.0.0-10.0.0.1'] },
      ];
      for (const operation of broken) {
        const around: Operation = { verb: 'add set', set: { ...owners, name: 'last' } };
        const script = renderScript([{ verb: 'add table' }, { verb: 'add set', set }, operation, around]);
        assert.match(kernel.run(script)!, /^\/dev\/stdin:3:/, script);
        assert.throws(() => kernel.list(), /no table of ours/);
      }
    });
  });
});

describe('the text of a ruleset', () => {
  it('is sorted, whatever the order in which it was made', () => {
    const other: NftSet = { name: 'a', key: ['ipv6_addr'], interval: false, elements: new Set(['fd00::2', 'fd00::1']) };
    const text = `table inet postern {
	map m {
		type ipv4_addr : verdict
		elements = {
			10.0.0.1 : jump c,
		}
	}

	set a {
		type ipv6_addr
		elements = {
			fd00::1,
			fd00::2,
		}
	}

	set s {
		type ipv4_addr . inet_proto
		flags interval
		elements = {
			10.0.0.1 . 0-255,
		}
	}

	chain c {
		ip saddr . meta l4proto @s return
		counter drop
	}

	chain forward {
		type filter hook forward priority -10; policy accept;
		ip saddr vmap @m
	}
}
`;
    assert.equal(renderRuleset(rulesetOf([set, other], [map], [base, chain])), text);
    assert.equal(renderRuleset(rulesetOf([other, set], [map], [chain, base])), text);
  });

  it('has the table of bridges after the first', () => {
    const bridge = rulesetOf([owners], [], [prerouting]);
    assert.equal(
      renderRuleset({ ...rulesetOf([], [], []), bridge }),
      `table inet postern {
}

table bridge postern {
	set owners4 {
		type ifname . ipv4_addr
		elements = {
			"drop" . 10.0.0.1,
		}
	}

	chain prerouting {
		type filter hook prerouting priority -300; policy accept;
		iifname . arp saddr ip @owners4 return
	}
}
`,
    );
  });

  it('of nothing is an empty table', () => {
    assert.equal(renderRuleset(rulesetOf([], [], [])), 'table inet postern {\n}\n');
  });
});
