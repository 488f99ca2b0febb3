import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { DenialReader } from '../../../src/agent/denials/denial-reader.ts';
import type { TableFamily } from '../../../src/nftables/ruleset.ts';

const { signal } = new AbortController();

const listing = (...entries: object[]): string => JSON.stringify({ nftables: [{ metainfo: {} }, ...entries] });
const rule = (family: TableFamily, chain: string, packets: number, handle = 1) => ({
  rule: { family, table: 'postern', chain, handle, expr: [{ counter: { packets, bytes: 0 } }, { drop: null }] },
});
const note = (addresses: readonly string[], port: number) => ({
  elem: { val: { concat: [...addresses, 6, port] }, counter: { packets: 2, bytes: 80 }, expires: 57 },
});
/** There is one note in each family. */
const notes: Readonly<Record<string, ReturnType<typeof note>>> = {
  'ip denied-ingress4': note(['10.1.0.1', '10.1.0.2'], 80),
  'ip6 denied-ingress6': note(['fd01::1', 'fd01::2'], 80),
};

describe('reading denials', () => {
  /** What the chains have counted, by table and name; a chain that is not there has no entry. */
  let counted: Record<string, number>;
  let asked: string[];
  let fails: boolean;
  let handle: number;
  let reader: DenialReader;
  let now: number;
  beforeEach(() => {
    [counted, asked, fails, handle, now] = [{}, [], false, 1, 7];
    reader = makeReader();
  });
  function makeReader(): DenialReader {
    return new DenialReader(
      {
        async listChain(family, name) {
          asked.push(`${family} ${name}`);
          const count = counted[`${family} ${name}`];
          return count === undefined ? undefined : listing(rule(family, name, count, handle), rule(family, 'other', 5));
        },
        async listSet(family, name) {
          if (fails) throw new Error('nft was ended');
          asked.push(`${family} ${name}`);
          const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
          const type = [address, address, 'inet_proto', 'inet_service'];
          const found = notes[`${family} ${name}`];
          return listing({ set: { family, table: 'postern', name, type, ...(found && { elem: [found] }) } });
        },
      },
      () => now,
    );
  }
  const atFirst = {
    'ip deny-ingress': 40,
    'ip record-ingress': 30,
    'ip6 deny-ingress': 4,
    'ip6 record-ingress': 3,
    'ip deny-egress': 7,
    'ip record-egress': 7,
    'ip6 deny-egress': 0,
    'ip6 record-egress': 0,
  };
  const begin = async (): Promise<void> => {
    counted = { ...atFirst };
    await look();
  };
  const look = async () =>
    (await reader.look(signal, false)).map(({ direction, family, denied, noted, denials }) => [
      direction,
      family,
      denied,
      noted,
      denials.length,
    ]);

  it('counts from 0 where the rule was written anew, also if it has counted as many since', async () => {
    await begin();
    handle = 2;
    counted = { 'ip deny-ingress': 40, 'ip record-ingress': 30 };
    assert.deepEqual(await look(), [['ingress', 'ipv4', 40, 30, 1]]);
    assert.deepEqual(await look(), []);
  });

  it('counts from its first look on, and reads the notes that are there', async () => {
    counted = { ...atFirst };
    assert.deepEqual(await look(), [
      ['ingress', 'ipv4', 0, 0, 1],
      ['ingress', 'ipv6', 0, 0, 1],
      ['egress', 'ipv4', 0, 0, 0],
      ['egress', 'ipv6', 0, 0, 0],
    ]);
  });

  it('does not count as noted what has expired before the look: after a minute, the notes that are there are all', async () => {
    for (const [seconds, noted] of [
      [59, 30],
      // The one note has 2 packets.
      [61, 2],
    ] as const) {
      await begin();
      now += 1000 * seconds;
      counted['ip deny-ingress']! += 35;
      counted['ip record-ingress']! += 30;
      // A look that fails is none.
      fails = true;
      await assert.rejects(look());
      fails = false;
      assert.deepEqual(await look(), [['ingress', 'ipv4', 35, noted, 1]]);
      reader = makeReader();
    }
  });

  it('begins anew where its first look has failed', async () => {
    counted = { 'ip deny-ingress': 5000 };
    fails = true;
    await assert.rejects(look());
    fails = false;
    assert.deepEqual((await look())[0], ['ingress', 'ipv4', 0, 0, 1]);
  });

  it('looks at two chains of each table and nothing more where nothing is denied', async () => {
    await begin();
    asked = [];
    assert.deepEqual(await look(), []);
    assert.deepEqual(asked, ['ip deny-ingress', 'ip6 deny-ingress', 'ip deny-egress', 'ip6 deny-egress']);
  });

  for (const [table, family] of [
    ['ip', 'ipv4'],
    ['ip6', 'ipv6'],
  ] as const) {
    const count = (denied: number, noted: number) =>
      Object.assign(counted, { [`${table} deny-ingress`]: denied, [`${table} record-ingress`]: noted });

    describe(`of ${family}`, () => {
      it('tells what has been denied since, and how much of it was noted', async () => {
        await begin();
        count(140, 35);
        const [denied, noted] = family === 'ipv4' ? [100, 5] : [136, 32];
        assert.deepEqual(await look(), [['ingress', family, denied, noted, 1]]);
      });

      it('counts from 0 a table that is new, or written anew', async () => {
        await look();
        count(9, 8);
        assert.deepEqual(await look(), [['ingress', family, 9, 8, 1]]);
        count(3, 2);
        assert.deepEqual(await look(), [['ingress', family, 3, 2, 1]]);
      });

      it('loses nothing where a look fails', async () => {
        await begin();
        count(140, 40);
        fails = true;
        await assert.rejects(look());
        fails = false;
        const [denied, noted] = family === 'ipv4' ? [100, 10] : [136, 37];
        assert.deepEqual(await look(), [['ingress', family, denied, noted, 1]]);
      });

      it('tells of what was denied between two of its readings the next time', async () => {
        await begin();
        const [denied, noted] = family === 'ipv4' ? [40, 30] : [4, 3];
        count(denied + 1, noted + 3);
        assert.deepEqual(await look(), [['ingress', family, 1, 1, 1]]);
        count(denied + 3, noted + 3);
        assert.deepEqual(await look(), [['ingress', family, 2, 2, 1]]);
      });
    });
  }
});
