import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { renderRuleset, renderScript } from '../../src/nftables/render.ts';
import { renderOperation } from '../support/nft/render-operation.ts';
import type { Chain, Change, NftSet, Operation, VerdictMap } from '../../src/nftables/ruleset.ts';
import { otherKinds, tableFamilies } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { on } from './load.ts';
import { makeTable } from './make-table.ts';

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

const set6: NftSet = { name: 's', key: ['ipv6_addr'], interval: false, elements: new Set(['fd00::1']) };
const base6: Chain = {
  name: 'forward',
  base: { hook: 'forward', priority: -10 },
  rules: [{ matches: [{ kind: 'lookup', key: ['ip6 saddr'], set: 's' }], verdict: { kind: 'drop' } }],
};

const owners: NftSet = {
  name: 'if-ips4',
  key: ['ifname', 'ipv4_addr'],
  interval: false,
  elements: new Set(['drop . 10.0.0.1']),
};
const prerouting: Chain = {
  name: 'prerouting',
  base: { hook: 'prerouting', priority: -300 },
  rules: [
    { matches: [{ kind: 'lookup', key: ['iifname', 'arp saddr ip'], set: 'if-ips4' }], verdict: { kind: 'return' } },
  ],
};

/** In an order in which the kernel takes them. */
const operations: readonly [Operation, string][] = [
  [{ family: 'ip', verb: 'add table' }, 'add table ip postern'],
  [{ family: 'ip', verb: 'replace table' }, 'delete table ip postern; add table ip postern'],
  [
    { family: 'ip', verb: 'add set', set },
    'table ip postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.1 . 0-255 }; }; }',
  ],
  [
    { family: 'ip', verb: 'add set', set: { ...set, name: 'e', interval: false, elements: new Set() } },
    'table ip postern { set e { type ipv4_addr . inet_proto; }; }',
  ],
  [
    { family: 'ip', verb: 'add chain', chain },
    'table ip postern { chain c { ip saddr . meta l4proto @s return; counter drop; }; }',
  ],
  [
    { family: 'ip', verb: 'add map', map },
    'table ip postern { map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : jump c }; }; }',
  ],
  [
    { family: 'ip', verb: 'add chain', chain: base },
    'table ip postern { chain forward { type filter hook forward priority -10; policy accept; ip saddr vmap @m; }; }',
  ],
  [
    {
      family: 'ip',
      verb: 'replace rules',
      chain: { ...base, rules: [{ matches: [], verdict: { kind: 'jump', chain: 'c' } }] },
    },
    'flush chain ip postern forward; table ip postern { chain forward { type filter hook forward priority -10; policy accept; jump c; }; }',
  ],
  [
    { family: 'ip', verb: 'replace rules', chain: { ...chain, rules: [] } },
    'flush chain ip postern c; table ip postern { chain c { }; }',
  ],
  [
    { family: 'ip', verb: 'add elements', set, elements: ['10.0.0.4 . tcp', '10.0.0.2-10.0.0.3 . 1-9'] },
    'table ip postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.2-10.0.0.3 . 1-9, 10.0.0.4 . tcp }; }; }',
  ],
  [
    { family: 'ip', verb: 'delete elements', set, elements: ['10.0.0.1 . 0-255', '10.0.0.2-10.0.0.3 . 1-9'] },
    'delete element ip postern s { 10.0.0.1 . 0-255, 10.0.0.2-10.0.0.3 . 1-9 }',
  ],
  [
    { family: 'ip', verb: 'add mappings', map, elements: new Map([['10.0.0.2', { kind: 'return' }]]) },
    'table ip postern { map m { type ipv4_addr : verdict; elements = { 10.0.0.2 : return }; }; }',
  ],
  [
    { family: 'ip', verb: 'delete mappings', map, elements: ['10.0.0.1', '10.0.0.2'] },
    'delete element ip postern m { 10.0.0.1, 10.0.0.2 }',
  ],
  [{ family: 'ip', verb: 'flush chain', name: 'forward' }, 'flush chain ip postern forward'],
  [{ family: 'ip', verb: 'delete chain', name: 'forward' }, 'delete chain ip postern forward'],
  [{ family: 'ip', verb: 'delete chain', name: 'c' }, 'delete chain ip postern c'],
  [{ family: 'ip', verb: 'delete map', name: 'm' }, 'delete map ip postern m'],
  // nft 1.1.3 crashes if the script has made the set with elements.
  [{ family: 'ip', verb: 'flush set', name: 'e' }, 'flush set ip postern e'],
  [{ family: 'ip', verb: 'delete set', name: 's' }, 'delete set ip postern s'],
  [{ family: 'ip6', verb: 'add table' }, 'add table ip6 postern'],
  [
    { family: 'ip6', verb: 'add set', set: set6 },
    'table ip6 postern { set s { type ipv6_addr; elements = { fd00::1 }; }; }',
  ],
  [
    { family: 'ip6', verb: 'add chain', chain: base6 },
    'table ip6 postern { chain forward { type filter hook forward priority -10; policy accept; ip6 saddr @s drop; }; }',
  ],
  [
    { family: 'ip6', verb: 'replace rules', chain: { ...base6, rules: [] } },
    'flush chain ip6 postern forward; table ip6 postern { chain forward { type filter hook forward priority -10; policy accept; }; }',
  ],
  [
    { family: 'ip6', verb: 'delete elements', set: set6, elements: ['fd00::1'] },
    'delete element ip6 postern s { fd00::1 }',
  ],
  [{ family: 'ip6', verb: 'delete set', name: 's' }, 'delete set ip6 postern s'],
  [{ family: 'ip6', verb: 'replace table' }, 'delete table ip6 postern; add table ip6 postern'],
  [{ family: 'bridge', verb: 'add table' }, 'add table bridge postern'],
  [
    { family: 'bridge', verb: 'add set', set: owners },
    'table bridge postern { set if-ips4 { type ifname . ipv4_addr; elements = { "drop" . 10.0.0.1 }; }; }',
  ],
  [
    { family: 'bridge', verb: 'add elements', set: owners, elements: ['a:b@c . 10.0.0.2'] },
    'table bridge postern { set if-ips4 { type ifname . ipv4_addr; elements = { "a:b@c" . 10.0.0.2 }; }; }',
  ],
  [
    { family: 'bridge', verb: 'delete elements', set: owners, elements: ['drop . 10.0.0.1'] },
    'delete element bridge postern if-ips4 { "drop" . 10.0.0.1 }',
  ],
  [
    { family: 'bridge', verb: 'add chain', chain: prerouting },
    'table bridge postern { chain prerouting { type filter hook prerouting priority -300; policy accept; iifname . arp saddr ip @if-ips4 return; }; }',
  ],
  [{ family: 'bridge', verb: 'replace table' }, 'delete table bridge postern; add table bridge postern'],
];

describe('the text of an operation', () => {
  for (const [operation, text] of operations) it(text, () => assert.equal(renderOperation(operation), text));

  it('is one line in a script, so that line n of an error is operation n, and shares a block with its neighbours', () => {
    const elements = ['10.0.0.4 . tcp'];
    const script = renderScript([
      ...on('ip', [
        { verb: 'add table' },
        { verb: 'add set', set },
        { verb: 'add chain', chain },
        { verb: 'add elements', set, elements },
        { verb: 'delete chain', name: 'c' },
        { verb: 'replace rules', chain: base },
        { verb: 'add map', map },
      ]),
      { family: 'ip6', verb: 'add set', set: set6 },
      { family: 'ip6', verb: 'add chain', chain: base6 },
      { family: 'bridge', verb: 'add set', set: owners },
    ]);
    assert.deepEqual(script.split('\n'), [
      'add table ip postern',
      'table ip postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.1 . 0-255 }; }',
      'chain c { ip saddr . meta l4proto @s return; counter drop; }; }',
      'table ip postern { set s { type ipv4_addr . inet_proto; flags interval; elements = { 10.0.0.4 . tcp }; }; }',
      'delete chain ip postern c',
      'flush chain ip postern forward; table ip postern { chain forward { type filter hook forward priority -10; policy accept; ip saddr vmap @m; }',
      'map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : jump c }; }; }',
      'table ip6 postern { set s { type ipv6_addr; elements = { fd00::1 }; }',
      'chain forward { type filter hook forward priority -10; policy accept; ip6 saddr @s drop; }; }',
      'table bridge postern { set if-ips4 { type ifname . ipv4_addr; elements = { "drop" . 10.0.0.1 }; }; }',
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
      const none = makeTable([], [], []);
      const { ip, ...others } = kernel.list();
      assert.deepEqual([[...ip!.sets.keys()], others], [['e'], { ip6: none, bridge: none }]);
    });

    it('for an object of any kind that is never ours', () => {
      kernel.reset();
      for (const kind of otherKinds) {
        const script = renderScript(on('ip', [{ verb: 'add table' }, { verb: 'delete other', kind, name: 'x' }]));
        assert.match(kernel.run(script)!, /^\/dev\/stdin:2:.*Could not process rule: No such file/, kind);
      }
    });

    it('for a check, in a table that is made for it and hooks nothing in', () => {
      kernel.reset();
      const changes = on('ip', [
        { verb: 'add table' },
        { verb: 'add set', set },
        { verb: 'add map', map: { ...map, elements: new Map() } },
        { verb: 'add chain', chain: base },
      ]);
      const text = renderScript(changes, { isCheck: true });
      assert.equal(text.match(/flags dormant/g)?.length, 2);
      assert.equal(kernel.run(text), undefined);
      assert.equal(kernel.list().ip!.isFlagged, true);
      const more = on('ip', [{ verb: 'add chain', chain: { ...chain, name: 'd', rules: [] } }]);
      assert.equal(renderScript(more, { isCheck: true }), renderScript(more));
    });

    it('all in one script', () => {
      kernel.reset();
      assert.equal(kernel.run(renderScript(operations.map(([operation]) => operation))), undefined);
    });

    it('additions are of a set that may hold more, and replace nothing', () => {
      kernel.reset();
      const more: Change = { verb: 'add elements', set, elements: ['10.0.0.9 . 17'] };
      const script = renderScript(on('ip', [{ verb: 'add table' }, { verb: 'add set', set }, more]));
      assert.equal(kernel.run(script), undefined);
      assert.deepEqual(kernel.list().ip?.sets.get('s')?.elements, new Set(['10.0.0.1 . 0-255', '10.0.0.9 . udp']));
    });

    it('one refused operation leaves the table as it was, and its line says which', () => {
      kernel.reset();
      const nowhere: Chain = { name: 'd', rules: [{ matches: [], verdict: { kind: 'goto', chain: 'nowhere' } }] };
      const broken: Change[] = [
        { verb: 'delete chain', name: 'nowhere' },
        { verb: 'add chain', chain: nowhere },
        { verb: 'add map', map },
        { verb: 'add elements', set: { ...set, interval: false }, elements: ['10.0.0.2 . tcp'] },
        { verb: 'add elements', set: { ...owners, name: 'o' }, elements: ['x . 10.0.0.0-10.0.0.1'] },
      ];
      for (const operation of broken) {
        const around: Change = { verb: 'add set', set: { ...owners, name: 'last' } };
        const script = renderScript(on('ip', [{ verb: 'add table' }, { verb: 'add set', set }, operation, around]));
        assert.match(kernel.run(script)!, /^\/dev\/stdin:3:/, script);
        assert.deepEqual(kernel.list(), {});
      }
    });
  });
});

describe('the text of a ruleset', () => {
  it('is sorted, whatever the order in which it was made', () => {
    const other: NftSet = { name: 'a', key: ['ipv6_addr'], interval: false, elements: new Set(['fd00::2', 'fd00::1']) };
    const text = `table ip postern {
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
    assert.equal(renderRuleset({ ip: makeTable([set, other], [map], [base, chain]) }), text);
    assert.equal(renderRuleset({ ip: makeTable([other, set], [map], [chain, base]) }), text);
  });

  it('has the tables in one order, that of bridges last', () => {
    const bridge = makeTable([owners], [], [prerouting]);
    assert.equal(
      renderRuleset({ bridge, ip6: makeTable([], [], [base6]), ip: makeTable([], [], []) }),
      `table ip postern {
}

table ip6 postern {
	chain forward {
		type filter hook forward priority -10; policy accept;
		ip6 saddr @s drop
	}
}

table bridge postern {
	set if-ips4 {
		type ifname . ipv4_addr
		elements = {
			"drop" . 10.0.0.1,
		}
	}

	chain prerouting {
		type filter hook prerouting priority -300; policy accept;
		iifname . arp saddr ip @if-ips4 return
	}
}
`,
    );
  });

  it('has no table that is not there, and an empty one where there is nothing in it', () => {
    assert.equal(renderRuleset({}), '');
    for (const family of tableFamilies) {
      assert.equal(renderRuleset({ [family]: makeTable([], [], []) }), `table ${family} postern {\n}\n`);
    }
  });
});
