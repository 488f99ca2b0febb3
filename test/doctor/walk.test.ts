import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { readForeignRules, type ForeignRules } from '../../src/doctor/foreign/rules.ts';
import { walkForeign, type PacketPath } from '../../src/doctor/foreign/walk.ts';
import { accept, back, daddr, drop, foreignRules, goto, jump, match, meta, prefix, saddr } from './foreign-rules.ts';

const packet: PacketPath = {
  family: 'ipv4',
  source: '10.1.0.2',
  destination: '10.2.0.3',
  inDevice: 'veth-a',
  outDevice: 'eth0',
  protocol: 'tcp',
  mark: 0,
};

/** `drop` is certain, `drop?` is not. */
function effects(rules: ForeignRules, from: PacketPath = packet): string[] {
  return walkForeign(rules, from, { rules: 10_000 }).map(({ action, isCertain }) => `${action}${isCertain ? '' : '?'}`);
}

const forward = (...rules: (readonly object[])[]): ForeignRules => foreignRules({ f: { hook: 'forward 0', rules } });
const unknown = match({ payload: { protocol: 'tcp', field: 'dport' } }, 80);

describe('the walk through the rules of other programs', () => {
  for (const [what, statements, wanted] of [
    ['an address', [match(saddr, '10.1.0.2'), drop], ['drop']],
    ['another address', [match(saddr, '10.1.0.3'), drop], []],
    ['a prefix', [match(daddr, prefix('10.2.0.0', 16)), drop], ['drop']],
    ['another prefix', [match(daddr, prefix('10.2.0.0', 16), '!='), drop], []],
    ['a set', [match(saddr, { set: [prefix('10.0.0.0', 16), { range: ['10.1.0.0', '10.1.0.9'] }] }), drop], ['drop']],
    ['elements with comments', [match(saddr, { set: [{ elem: { val: '10.1.0.2', comment: 'x' } }] }), drop], ['drop']],
    ['a named set', [match(saddr, '@s'), drop], ['drop?']],
    [
      'an address of the other family',
      [match({ payload: { protocol: 'ip6', field: 'saddr' } }, '::1', '!='), drop],
      [],
    ],
    ['the family', [match(meta('nfproto'), 'ipv6'), drop], []],
    ['a device', [match(meta('iifname'), 'veth-a'), drop], ['drop']],
    ['devices by the start of their name', [match(meta('iifname'), 'veth*', '!='), drop], []],
    ['a mark that nobody has set', [match({ '&': [meta('mark'), 16384] }, 16384), drop], []],
    ['a mask that is none', [match({ '&': [meta('mark'), -1.5] }, 0), drop], ['drop?']],
    ['a connection that stands', [match({ ct: { key: 'state' } }, ['established', 'related'], 'in'), drop], []],
    ['a connection that was translated', [match({ ct: { key: 'status' } }, 'dnat', 'in'), drop], []],
    ['a new connection', [match({ ct: { key: 'state' } }, 'new', 'in'), drop], ['drop']],
    [
      'a concatenation',
      [match({ concat: [saddr, daddr] }, { set: [{ concat: ['1.2.3.4', '3.4.5.6'] }] }), drop],
      ['drop?'],
    ],
    ['a port', [unknown, drop], ['drop?']],
    ['a protocol, by the family', [match({ payload: { protocol: 'ip', field: 'protocol' } }, 'icmp'), drop], []],
    ['a protocol', [match(meta('l4proto'), 'tcp'), drop], ['drop']],
    ['a port of another protocol', [match({ payload: { protocol: 'udp', field: 'dport' } }, 53), drop], []],
    ['a limit', [{ limit: { rate: 1, burst: 5, per: 'second' } }, drop], ['drop?']],
    ['a counter and a log', [{ counter: { packets: 0, bytes: 0 } }, { log: { prefix: 'x' } }, drop], ['drop']],
    ['a lookup of a route', [match({ fib: { result: 'type', flags: ['saddr'] } }, 'local'), drop], ['drop?']],
    ['an extension that compares', [{ xt: { type: 'match', name: 'physdev' } }, drop], ['drop?']],
    ['one for connections that stand', [{ xt: { type: 'match', name: 'conntrack' } }, { counter: {} }, drop], []],
    [
      'one that compares more',
      [{ xt: { type: 'match', name: 'conntrack' } }, match(saddr, '10.1.0.2'), drop],
      ['drop?'],
    ],
    ['a comment of iptables', [{ xt: { type: 'match', name: 'comment' } }, drop], ['drop']],
    ['an extension without a name, as older nft list it', [{ xt: null }, drop], ['drop?']],
    ['a reject', [{ reject: { type: 'icmpx', expr: 'port-unreachable' } }], ['drop']],
    ['an extension that rejects', [{ xt: { type: 'target', name: 'REJECT' } }], ['drop']],
    [
      'a map in the rule',
      [
        {
          vmap: {
            key: { ct: { key: 'state' } },
            data: {
              set: [
                ['invalid', drop],
                ['new', accept],
              ],
            },
          },
        },
      ],
      [],
    ],
    ['a map that holds it', [{ vmap: { key: meta('iifname'), data: { set: [['veth-a', drop]] } } }], ['drop']],
    ['a named map', [{ vmap: { key: meta('iifname'), data: '@m' } }], []],
    ['a statement that nobody knows', [{ quantum: {} }, drop], ['drop?']],
    ['a proxy', [{ tproxy: { family: 'ip', addr: '127.0.0.1', port: 80 } }, accept], ['divert']],
    ['another device', [{ fwd: { dev: 'lo' } }], ['divert']],
    ['a CT of iptables, which says no more', [{ xt: { type: 'target', name: 'CT' } }], ['untrack?']],
  ] as const) {
    it(`judges ${what}`, () => assert.deepEqual(effects(forward(statements as readonly object[])), wanted));
  }

  it('ends a chain at an accept, but not at an accept with an unknown condition', () => {
    assert.deepEqual(effects(forward([accept], [drop])), []);
    assert.deepEqual(effects(forward([unknown, accept], [drop])), ['drop?']);
  });

  it('returns from a jump and not from a goto, and applies the policy of the base chain', () => {
    const chains = (verdict: object, inner: (readonly object[])[], hook = 'forward 0'): ForeignRules =>
      foreignRules({ f: { hook, rules: [[verdict], [drop]] }, inner: { rules: inner } });
    assert.deepEqual(effects(chains(jump('inner'), [])), ['drop']);
    assert.deepEqual(effects(chains(jump('inner'), [[back], [accept]])), ['drop']);
    assert.deepEqual(effects(chains(jump('inner'), [[unknown, accept]])), ['drop?']);
    assert.deepEqual(effects(chains(jump('inner'), [[accept]])), []);
    assert.deepEqual(effects(chains(goto('inner'), [])), []);
    assert.deepEqual(effects(chains(goto('inner'), [], 'forward 0 drop')), ['drop']);
    assert.deepEqual(effects(chains(goto('inner'), [[unknown, accept]], 'forward 0 drop')), ['drop?']);
    assert.deepEqual(effects(chains(jump('nowhere'), [])), ['drop?']);
  });

  it('continues with the next table after an accept, and not after a drop', () => {
    const both = (first: object): ForeignRules =>
      foreignRules({
        late: { table: 'b', hook: 'forward 10', rules: [[{ xt: { type: 'target', name: 'NFQUEUE' } }]] },
        early: { table: 'a', hook: 'forward -10', rules: [[first]] },
      });
    assert.deepEqual(effects(both(accept)), ['queue']);
    assert.deepEqual(effects(both(drop)), ['drop']);
  });

  it('passes the hooks in their order, with the mark of an earlier rule', () => {
    const marking = (first: readonly object[]): ForeignRules =>
      foreignRules({
        post: { hook: 'postrouting 100', rules: [[match(meta('mark'), 7), { masquerade: null }]] },
        pre: { hook: 'prerouting -150', rules: [first] },
      });
    const set = { mangle: { key: meta('mark'), value: 7 } };
    assert.deepEqual(effects(marking([set])), ['rewrite-source']);
    assert.deepEqual(effects(marking([match(saddr, '10.9.9.9'), set])), []);
    assert.deepEqual(effects(marking([unknown, set])), ['rewrite-source?']);
    assert.deepEqual(effects(marking([{ xt: { type: 'target', name: 'MARK' } }])), ['rewrite-source?']);
  });

  it('knows no output device before the packet is routed', () => {
    const at = (hook: string, op: string): string[] =>
      effects(foreignRules({ f: { hook, rules: [[match(meta('oifname'), 'eth0', op), drop]] } }));
    assert.deepEqual([at('prerouting 0', '=='), at('prerouting 0', '!=')], [[], ['drop']]);
    assert.deepEqual([at('postrouting 0', '=='), at('postrouting 0', '!=')], [['drop'], []]);
  });

  it('does not know in which order chains of one priority come', () => {
    const two = (priority: number): ForeignRules =>
      foreignRules({
        one: { table: 'a', hook: 'forward 0', rules: [[{ mangle: { key: meta('mark'), value: 7 } }]] },
        other: { table: 'b', hook: `forward ${priority}`, rules: [[match(meta('mark'), 7), drop]] },
      });
    assert.deepEqual([effects(two(1)), effects(two(0)), effects(two(-1))], [['drop'], ['drop?'], []]);
  });

  it('matches bridge rules by port if it crosses a bridge, and device rules by device', () => {
    const ports = { ...packet, inDevice: 'cni0', outDevice: 'cni0', inPort: 'veth-a', outPort: 'veth-b' };
    const bridge = foreignRules({
      f: { family: 'bridge', hook: 'forward 0', rules: [[match(meta('iifname'), 'veth-a'), drop]] },
    });
    assert.deepEqual([effects(bridge, ports), effects(bridge)], [['drop'], []]);
    const device = (dev: string | string[]): ForeignRules =>
      foreignRules({ i: { family: 'netdev', hook: 'ingress 0', dev, rules: [[drop]] } });
    assert.deepEqual(effects(device('veth-a')), ['drop']);
    assert.deepEqual(effects(device(['lo', 'veth-a'])), ['drop']);
    assert.deepEqual(effects(device('lo')), []);
  });

  it('evaluates IPv6 too', () => {
    const six: PacketPath = { ...packet, family: 'ipv6', source: 'fd00:1::2', destination: 'fd00:2::3' };
    const source = { payload: { protocol: 'ip6', field: 'saddr' } };
    for (const [right, wanted] of [
      ['fd00:1::2', ['drop']],
      ['fd00:1::3', []],
      [prefix('fd00:1::', 32), ['drop']],
      [prefix('fd00:2::', 32), []],
      [{ set: [{ range: ['fd00:1::1', 'fd00:1::9'] }] }, ['drop']],
      [prefix('10.0.0.0', 8), []],
    ] as const) {
      assert.deepEqual(effects(forward([match(source, right), drop]), six), wanted, JSON.stringify(right));
    }
    assert.deepEqual(effects(forward([match(saddr, '10.1.0.2', '!='), drop]), six), []);
  });

  it('reads only the tables of its family', () => {
    const of = (family: string): ForeignRules => foreignRules({ f: { family, hook: 'forward 0 drop', rules: [] } });
    assert.deepEqual([effects(of('ip')), effects(of('ip6')), effects(of('arp'))], [['drop'], [], []]);
  });

  it('ends on chains with loops or endless branches', () => {
    const circle = foreignRules({
      f: { hook: 'forward 0 drop', rules: [[jump('g')]] },
      g: { rules: [[jump('g')], [jump('g')]] },
    });
    const budget = { rules: 1000 };
    walkForeign(circle, packet, budget);
    assert.ok(budget.rules <= 0 && budget.rules > -100, String(budget.rules));
    const names = Array.from({ length: 15 }, (_, index) => `c${index}`);
    const tree = foreignRules({
      f: { hook: 'forward 0', rules: [[jump('c0')]] },
      ...Object.fromEntries(
        names.map((name, index) => [name, { rules: Array.from({ length: 9 }, () => [jump(`c${index + 1}`)]) }]),
      ),
    });
    walkForeign(tree, packet, budget);
    assert.ok(budget.rules <= 0);
  });

  it('ends on endless chains', () => {
    const chains = Array.from({ length: 20_000 }, (_, index) => [`f${index}`, { hook: 'forward 0', rules: [] }]);
    const rules = foreignRules(Object.fromEntries(chains));
    const budget = { rules: 100_000 };
    for (let packets = 0; budget.rules > 0; packets++) {
      assert.ok(packets < 10);
      walkForeign(rules, packet, budget);
    }
  });

  it('accepts any JSON as a listing, and never throws', () => {
    const keys = [
      'chain',
      'rule',
      'match',
      'xt',
      'vmap',
      'jump',
      'mangle',
      'left',
      'right',
      'set',
      'key',
      'data',
      'meta',
      '&',
      'payload',
      'range',
      'prefix',
    ];
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom(null, 0, -1.5, 2 ** 60, '', '@x', '10.0.0.0', 'f'),
        fc.array(tie('value')),
        tie('object'),
      ),
      object: fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), tie('value')),
    }));
    fc.assert(
      fc.property(fc.array(fc.array(fc.oneof(value, fc.object()))), fc.array(value), (rules, others) => {
        const chain = { family: 'ip', table: 't', name: 'f', hook: 'forward', prio: 0, policy: 'drop' };
        const own = rules.map((expr) => ({ rule: { family: 'ip', table: 't', chain: 'f', expr } }));
        walkForeign(readForeignRules([{ chain }, ...own, ...others]), packet, { rules: 1000 });
      }),
    );
  });
});
