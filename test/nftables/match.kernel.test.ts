import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { renderMatch, renderRule, renderScript, renderVerdict } from '../../src/nftables/render.ts';
import type { Chain, Match, NftSet, Operation, Verdict, VerdictMap } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import { Kernel } from './kernel.ts';
import { onBridge } from './load.ts';

const tuples: NftSet = {
  name: 's-4/a.b',
  key: ['ipv4_addr', 'inet_proto', 'inet_service'],
  interval: true,
  elements: new Set(['10.0.0.0-10.0.0.255 . tcp . 80-90', '10.0.1.1 . 0-255 . 53']),
};
const addresses6: NftSet = { name: 's6', key: ['ipv6_addr'], interval: false, elements: new Set(['fd00::1']) };
const ports: NftSet = { name: 'ports', key: ['ifname'], interval: false, elements: new Set(['drop', 'veth-a']) };
const owners4: NftSet = {
  name: 'owners4',
  key: ['ifname', 'ipv4_addr'],
  interval: false,
  elements: new Set(['veth-a . 10.0.0.1']),
};
const owners6: NftSet = {
  name: 'owners6',
  key: ['ifname', 'ipv6_addr'],
  interval: false,
  elements: new Set(['a:b@c . fd00::1']),
};
const byDevice: VerdictMap = {
  name: 'by-device',
  key: ['ifname'],
  interval: false,
  elements: new Map([['veth-a', { kind: 'goto', chain: 'c-1' }]]),
};
const verdicts: VerdictMap = {
  name: 'm-4',
  key: ['ipv4_addr', 'inet_proto'],
  interval: true,
  elements: new Map([
    ['10.0.0.1-10.0.0.9 . tcp', { kind: 'goto', chain: 'c-1' }],
    ['10.0.0.1-10.0.0.9 . udp', { kind: 'return' }],
  ]),
};

const matches: readonly [Match, string][] = [
  [
    { kind: 'lookup', key: ['ip saddr', 'meta l4proto', 'th dport'], set: 's-4/a.b' },
    'ip saddr . meta l4proto . th dport @s-4/a.b',
  ],
  // The same set the other way round, for replies.
  [
    { kind: 'lookup', key: ['ip daddr', 'meta l4proto', 'th sport'], set: 's-4/a.b' },
    'ip daddr . meta l4proto . th sport @s-4/a.b',
  ],
  [{ kind: 'lookup', key: ['ip6 daddr'], set: 's6' }, 'ip6 daddr @s6'],
  [{ kind: 'compare', field: 'ct state', op: '!=', values: ['established'] }, 'ct state != established'],
  [{ kind: 'compare', field: 'ct state', op: '==', values: ['new', 'untracked'] }, 'ct state { new, untracked }'],
  [{ kind: 'compare', field: 'ct direction', op: '==', values: ['reply'] }, 'ct direction reply'],
  [{ kind: 'compare', field: 'icmpv6 type', op: '==', values: ['133', '134'] }, 'icmpv6 type { 133, 134 }'],
  [{ kind: 'compare', field: 'icmp type', op: '!=', values: ['3', '11'] }, 'icmp type != { 3, 11 }'],
  [{ kind: 'compare', field: 'ip6 hoplimit', op: '==', values: ['255'] }, 'ip6 hoplimit 255'],
  [{ kind: 'compare', field: 'ip ttl', op: '==', values: ['1'] }, 'ip ttl 1'],
  [{ kind: 'compare', field: 'ip protocol', op: '==', values: ['2'] }, 'ip protocol 2'],
  [{ kind: 'compare', field: 'ip daddr', op: '==', values: ['224.0.0.0/4'] }, 'ip daddr 224.0.0.0/4'],
  [{ kind: 'compare', field: 'ip6 saddr', op: '!=', values: ['fe80::/10'] }, 'ip6 saddr != fe80::/10'],
  [{ kind: 'compare', field: 'meta l4proto', op: '==', values: ['sctp'] }, 'meta l4proto sctp'],
  [{ kind: 'compare', field: 'th dport', op: '==', values: ['80', '443'] }, 'th dport { 80, 443 }'],
  [{ kind: 'lookup', op: '!=', key: ['iifname'], set: 'ports' }, 'iifname != @ports'],
  [{ kind: 'lookup', key: ['iifname', 'ip saddr'], set: 'owners4' }, 'iifname . ip saddr @owners4'],
  [{ kind: 'lookup', op: '!=', key: ['oifname', 'ip6 daddr'], set: 'owners6' }, 'oifname . ip6 daddr != @owners6'],
  [{ kind: 'compare', field: 'iifname', op: '==', values: ['lo'] }, 'iifname "lo"'],
  [{ kind: 'compare', field: 'oifname', op: '!=', values: ['a:b@c', 'drop'] }, 'oifname != { "a:b@c", "drop" }'],
  [{ kind: 'compare', field: 'meta iifkind', op: '==', values: ['veth'] }, 'meta iifkind "veth"'],
  [{ kind: 'compare', field: 'meta oifkind', op: '!=', values: ['bridge'] }, 'meta oifkind != "bridge"'],
  [{ kind: 'compare', field: 'meta pkttype', op: '==', values: ['multicast'] }, 'meta pkttype multicast'],
  [{ kind: 'compare', field: 'udp dport', op: '==', values: ['67'] }, 'udp dport 67'],
  [{ kind: 'compare', field: 'udp sport', op: '!=', values: ['68', '546'] }, 'udp sport != { 68, 546 }'],
  [{ kind: 'compare', field: 'ip6 saddr', op: '==', values: ['::', 'fe80::/10'] }, 'ip6 saddr { ::, fe80::/10 }'],
  [{ kind: 'tcp-not-syn' }, 'tcp flags & (fin | syn | rst | ack) != syn'],
  [{ kind: 'sctp-not-init' }, 'meta l4proto sctp sctp chunk init missing'],
  [{ kind: 'from-socket' }, 'meta skuid != 4294967295'],
];

/** As said of the table of bridges, where all of the others but those of connections may stand too. */
const bridgeMatches: readonly [Match, string][] = [
  [{ kind: 'compare', field: 'ether type', op: '!=', values: ['arp', 'ip', 'ip6'] }, 'ether type != { arp, ip, ip6 }'],
  [{ kind: 'compare', field: 'ether type', op: '==', values: ['vlan'] }, 'ether type vlan'],
  [{ kind: 'compare', field: 'ether type', op: '==', values: ['arp'] }, 'ether type arp'],
  [{ kind: 'compare', field: 'arp saddr ip', op: '==', values: ['0.0.0.0'] }, 'arp saddr ip 0.0.0.0'],
  [{ kind: 'lookup', key: ['iifname', 'arp saddr ip'], set: 'owners4' }, 'iifname . arp saddr ip @owners4'],
  [
    { kind: 'compare', field: 'meta pkttype', op: '==', values: ['broadcast', 'multicast'] },
    'meta pkttype { broadcast, multicast }',
  ],
  ...matches.filter(([match]) => !(match.kind === 'compare' && match.field.startsWith('ct '))),
];

const rules: readonly [Verdict, string][] = [
  [{ kind: 'accept' }, 'accept'],
  [{ kind: 'drop' }, 'drop'],
  [{ kind: 'return' }, 'return'],
  [{ kind: 'jump', chain: 'c-1' }, 'jump c-1'],
  [{ kind: 'goto', chain: 'c-1' }, 'goto c-1'],
  [{ kind: 'vmap', key: ['ip saddr', 'meta l4proto'], map: 'm-4' }, 'ip saddr . meta l4proto vmap @m-4'],
  [{ kind: 'vmap', key: ['oifname'], map: 'by-device' }, 'oifname vmap @by-device'],
  [{ kind: 'reject-tcp-reset' }, 'reject with tcp reset'],
  [{ kind: 'continue' }, 'continue'],
];

const standing: readonly Operation[] = [
  { verb: 'add table' },
  { verb: 'add set', set: tuples },
  { verb: 'add set', set: addresses6 },
  { verb: 'add set', set: ports },
  { verb: 'add set', set: owners4 },
  { verb: 'add set', set: owners6 },
  { verb: 'add chain', chain: { name: 'c-1', rules: [] } },
  { verb: 'add map', map: verdicts },
  { verb: 'add map', map: byDevice },
];

describe('the text of a rule', () => {
  for (const [match, text] of new Set([...matches, ...bridgeMatches]))
    it(text, () => assert.equal(renderMatch(match), text));
  for (const [verdict, text] of rules) it(text, () => assert.equal(renderVerdict(verdict), text));

  it('a counter stands before the verdict, a comment after it', () => {
    const rule = {
      matches: [{ kind: 'tcp-not-syn' }],
      counter: true,
      verdict: { kind: 'drop' },
      comment: 'a; } b',
    } as const;
    assert.equal(renderRule(rule), 'tcp flags & (fin | syn | rst | ack) != syn counter drop comment "a; } b"');
  });

  it('a match that is not of our language is one that nft refuses', () => {
    assert.equal(renderMatch({ kind: 'foreign', text: '{"x":1}' }), String.raw`foreign "{\"x\":1}"`);
  });

  describe('is taken by the kernel', () => {
    let kernel: Kernel;
    before(function () {
      const opened = Kernel.open('match');
      if (typeof opened === 'string') return skipTest(this, opened);
      kernel = opened;
    });
    after(() => kernel?.close());

    for (const [match, text] of matches) {
      it(text, () => check([{ matches: [match], counter: true, verdict: { kind: 'drop' }, comment: '{;}' }]));
    }
    for (const [verdict, text] of rules) it(text, () => check([{ matches: [], verdict }]));

    function check(chainRules: Chain['rules']): void {
      kernel.reset();
      const chain: Chain = { name: 'forward', base: { hook: 'forward', priority: -10 }, rules: chainRules };
      load([...standing, { verb: 'add chain', chain }]);
      assert.deepEqual(kernel.list().chains.get('forward'), chain);
    }

    for (const [match, text] of bridgeMatches) {
      it(`of bridges: ${text}`, () => checkBridge([{ matches: [match], verdict: { kind: 'drop' }, comment: '{;}' }]));
    }
    for (const [verdict, text] of rules) {
      if (verdict.kind !== 'reject-tcp-reset') it(`of bridges: ${text}`, () => checkBridge([{ matches: [], verdict }]));
    }

    function checkBridge(chainRules: Chain['rules']): void {
      kernel.reset();
      const chain: Chain = { name: 'pre', base: { hook: 'prerouting', priority: -300 }, rules: chainRules };
      load([{ verb: 'add table' }, ...onBridge([...standing, { verb: 'add chain', chain }])]);
      assert.deepEqual(kernel.list().bridge?.chains.get('pre'), chain);
    }

    function load(operations: readonly Operation[]): void {
      const script = renderScript(operations);
      assert.equal(kernel.run(script, { check: true }), undefined);
      assert.equal(kernel.run(script), undefined);
    }

    it('foreign is not', () => {
      kernel.reset();
      const chain = {
        name: 'c',
        rules: [{ matches: [{ kind: 'foreign', text: 'x' }], verdict: { kind: 'drop' } }],
      } as const;
      assert.match(
        kernel.run(renderScript([...standing, { verb: 'add chain', chain }]))!,
        /^\/dev\/stdin:10:[0-9-]+: Error/,
      );
    });
  });
});
