import assert from 'node:assert/strict';
import { execa } from 'execa';
import { describe, it } from 'mocha';
import { denials } from '../../src/compile/denials.ts';
import { directions } from '../../src/model/policy.ts';
import { parseTable } from '../../src/nftables/parse.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Chain, NftSet } from '../../src/nftables/ruleset.ts';
import { addressSet, pairSet } from '../../src/compile/set-builder.ts';
import { tableOf } from '../../src/compile/table.ts';

/** What the node sends to 10.9.9.0/24 and fd09::/64 is denied, in a network namespace of its own. */
function denyingTable(change: (set: NftSet) => NftSet = (set) => set) {
  const output: Chain = {
    name: 'test-output',
    base: { hook: 'output', priority: 0 },
    rules: [
      {
        matches: [{ kind: 'compare', field: 'ip daddr', op: '==', values: ['10.9.9.9'] }],
        verdict: { kind: 'goto', chain: 'deny-egress' },
      },
      {
        matches: [{ kind: 'compare', field: 'ip6 daddr', op: '==', values: ['fd09::9'] }],
        verdict: { kind: 'goto', chain: 'deny-egress' },
      },
    ],
  };
  const parts = directions.map((direction) => denials[direction]);
  return tableOf({
    sets: [
      pairSet('self4', 'ipv4', []),
      pairSet('self6', 'ipv6', []),
      addressSet('isolated4', 'ipv4', []),
      ...parts.flatMap(({ sets }) => sets).map(change),
    ],
    maps: [],
    chains: [...parts.flatMap(({ chains }) => chains), output],
  });
}

const setUp = [
  'ip link set lo up',
  'ip link add d0 type veth peer name d1',
  'ip link set d0 up; ip link set d1 up',
  'ip address add 10.9.9.1/24 dev d0',
  'ip address add fd09::1/64 dev d0 nodad',
].join('\n');

/** Runs what is given where the table is loaded, and reads the table back. */
async function inNamespace(script: string, table = denyingTable()): Promise<string> {
  const lines = [setUp, `nft -f - <<'END'\n${renderRuleset(table)}END`, script, 'nft -n -j list table inet postern'];
  const { stdout } = await execa('unshare', ['-n', 'bash', '-ec', lines.join('\n')]);
  return stdout.split('\n').at(-1)!;
}

interface Noted {
  readonly elem: {
    readonly val: { readonly concat: readonly unknown[] };
    readonly counter: { readonly packets: number };
  };
}

function notedIn(json: string, name: string): Noted[] {
  const { nftables } = JSON.parse(json) as { nftables: { set?: { name: string; elem?: Noted[] } }[] };
  return nftables.find(({ set }) => set?.name === name)!.set!.elem ?? [];
}

/** Of the chain's last rule, which drops. */
function droppedIn(json: string): number {
  const { nftables } = JSON.parse(json) as {
    nftables: { rule?: { chain: string; expr: { counter?: { packets: number } }[] } }[];
  };
  const rule = nftables.flatMap((each) => (each.rule?.chain === 'deny-egress' ? each.rule : [])).at(-1)!;
  return rule.expr.find(({ counter }) => counter)!.counter!.packets;
}

const send = (to: string, port: number) => `(echo x > /dev/udp/${to}/${port}) 2>/dev/null || true`;

describe('what is denied is noted (kernel)', function () {
  this.timeout(60_000);

  it('as the connection, once for each, with how often; read back, the table is the one that was written', async () => {
    const json = await inNamespace([send('10.9.9.9', 53), send('10.9.9.9', 53), send('fd09::9', 80)].join('\n'));
    assert.deepEqual(
      notedIn(json, 'denied-egress4').map(({ elem }) => [elem.val.concat, elem.counter.packets]),
      [[['10.9.9.1', '10.9.9.9', 17, 53], 2]],
    );
    assert.deepEqual(
      notedIn(json, 'denied-egress6').map(({ elem }) => elem.val.concat),
      [['fd09::1', 'fd09::9', 17, 80]],
    );
    assert.deepEqual(notedIn(json, 'denied-ingress4'), []);
    const table = denyingTable();
    const back = parseTable('inet', json);
    for (const [name, set] of table.sets) assert.deepEqual(back.sets.get(name), set);
    assert.equal(back.sets.size, table.sets.size);
    for (const [name, chain] of table.chains) assert.deepEqual(back.chains.get(name), chain);
  });

  it('where the set is full, and where the limit is reached, all is dropped the same', async () => {
    const full = denyingTable((set) => (set.records ? { ...set, records: { ...set.records, size: 2 } } : set));
    const json = await inNamespace([1, 2, 3, 4, 5].map((port) => send('10.9.9.9', port)).join('\n'), full);
    assert.equal(notedIn(json, 'denied-egress4').length, 2);
    assert.equal(droppedIn(json), 5);
    const flood = 'for i in $(seq 1 600); do { echo x > /dev/udp/10.9.9.9/$i; } 2>/dev/null || true; done';
    const limited = await inNamespace(flood);
    const noted = notedIn(limited, 'denied-egress4').reduce((sum, { elem }) => sum + elem.counter.packets, 0);
    assert.equal(droppedIn(limited), 600);
    assert.ok(noted >= 200 && noted < 600, `${noted} of 600 noted`);
  });

  it('what belongs to no connection is dropped, unnoted', async () => {
    const untracked = `nft 'add table ip test-raw; add chain ip test-raw output { type filter hook output priority raw; }; add rule ip test-raw output notrack'`;
    const json = await inNamespace([untracked, send('10.9.9.9', 53)].join('\n'));
    assert.deepEqual(notedIn(json, 'denied-egress4'), []);
    assert.equal(droppedIn(json), 1);
  });
});
