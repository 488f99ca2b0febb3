import assert from 'node:assert/strict';
import { execa } from 'execa';
import { describe, it } from 'mocha';
import { denials } from '../../src/compile/denials.ts';
import { families, type Family } from '../../src/model/address.ts';
import { directions } from '../../src/model/policy.ts';
import { parseTable } from '../../src/nftables/parse.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import { routedTable, type Chain, type NftSet, type Ruleset, type Table } from '../../src/nftables/ruleset.ts';
import { addressField, compare, goTo } from '../../src/compile/match.ts';
import { isolatedSetName, selfSetName } from '../../src/compile/names.ts';
import { addressSet, pairSet } from '../../src/compile/set-builder.ts';
import { tableOf } from '../../src/compile/table.ts';

const deniedAddress = { ipv4: '10.9.9.9', ipv6: 'fd09::9' } as const;

/** What the node sends to 10.9.9.9 and fd09::9 is denied, in a network namespace of its own. */
function denyingRuleset(change: (set: NftSet) => NftSet = (set) => set): Ruleset {
  const tableFor = (family: Family): Table => {
    const isDenied = compare(addressField[family].destination, '==', deniedAddress[family]);
    const output: Chain = {
      name: 'test-output',
      base: { hook: 'output', priority: 0 },
      rules: [{ matches: [isDenied], verdict: goTo('deny-egress') }],
    };
    const parts = directions.map((direction) => denials[family][direction]);
    return tableOf({
      sets: [
        pairSet(selfSetName[family], family, []),
        addressSet(isolatedSetName[family], family, []),
        ...parts.flatMap(({ sets }) => sets).map(change),
      ],
      maps: [],
      chains: [...parts.flatMap(({ chains }) => chains), output],
    });
  };
  return { ip: tableFor('ipv4'), ip6: tableFor('ipv6') };
}

const setUp = [
  'ip link set lo up',
  'ip link add d0 type veth peer name d1',
  'ip link set d0 up; ip link set d1 up',
  'ip address add 10.9.9.1/24 dev d0',
  'ip address add fd09::1/64 dev d0 nodad',
].join('\n');

/** Runs what is given where the tables are loaded, and reads them back. */
async function inNamespace(script: string, ruleset = denyingRuleset()): Promise<Record<Family, string>> {
  const lists = families.map((family) => `nft -n -j list table ${routedTable[family]} postern`);
  const lines = [setUp, `nft -f - <<'END'\n${renderRuleset(ruleset)}END`, script, ...lists];
  const { stdout } = await execa('unshare', ['-n', 'bash', '-ec', lines.join('\n')]);
  const [ipv4, ipv6] = stdout.split('\n').slice(-2);
  return { ipv4: ipv4!, ipv6: ipv6! };
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
  this.timeout(180_000);

  it('as the connection, once for each, with how often; read back, the tables are those that were written', async () => {
    const json = await inNamespace([send('10.9.9.9', 53), send('10.9.9.9', 53), send('fd09::9', 80)].join('\n'));
    assert.deepEqual(
      notedIn(json.ipv4, 'denied-egress4').map(({ elem }) => [elem.val.concat, elem.counter.packets]),
      [[['10.9.9.1', '10.9.9.9', 17, 53], 2]],
    );
    assert.deepEqual(
      notedIn(json.ipv6, 'denied-egress6').map(({ elem }) => elem.val.concat),
      [['fd09::1', 'fd09::9', 17, 80]],
    );
    assert.deepEqual([droppedIn(json.ipv4), droppedIn(json.ipv6)], [2, 1]);
    assert.deepEqual(notedIn(json.ipv4, 'denied-ingress4'), []);
    assert.deepEqual(notedIn(json.ipv6, 'denied-ingress6'), []);
    for (const family of families) {
      const table = denyingRuleset()[routedTable[family]]!;
      const back = parseTable(routedTable[family], json[family]);
      for (const [name, set] of table.sets) assert.deepEqual(back.sets.get(name), set);
      assert.equal(back.sets.size, table.sets.size);
      for (const [name, chain] of table.chains) assert.deepEqual(back.chains.get(name), chain);
    }
  });

  it('where the set is full, and where the limit is reached, all is dropped the same', async () => {
    const full = denyingRuleset((set) => (set.records ? { ...set, records: { ...set.records, size: 2 } } : set));
    const sent = families.flatMap((family) => [1, 2, 3, 4, 5].map((port) => send(deniedAddress[family], port)));
    const json = await inNamespace(sent.join('\n'), full);
    assert.equal(notedIn(json.ipv4, 'denied-egress4').length, 2);
    assert.equal(notedIn(json.ipv6, 'denied-egress6').length, 2);
    assert.deepEqual([droppedIn(json.ipv4), droppedIn(json.ipv6)], [5, 5]);
    const flood = 'for i in $(seq 1 600); do { echo x > /dev/udp/10.9.9.9/$i; } 2>/dev/null || true; done';
    const { ipv4: limited } = await inNamespace(flood);
    const noted = notedIn(limited, 'denied-egress4').reduce((sum, { elem }) => sum + elem.counter.packets, 0);
    assert.equal(droppedIn(limited), 600);
    assert.ok(noted >= 200 && noted < 600, `${noted} of 600 noted`);
  });

  it('what belongs to no connection is dropped, unnoted', async () => {
    const untracked = `nft 'add table ip test-raw; add chain ip test-raw output { type filter hook output priority raw; }; add rule ip test-raw output notrack'`;
    const { ipv4: json } = await inNamespace([untracked, send('10.9.9.9', 53)].join('\n'));
    assert.deepEqual(notedIn(json, 'denied-egress4'), []);
    assert.equal(droppedIn(json), 1);
  });
});
