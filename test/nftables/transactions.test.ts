import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { TransactionReader, type Transaction } from '../../src/nftables/transactions.ts';

/** Each with the lines of one transaction, as nft 1.1.3 prints them. */
const printed: readonly [string, Transaction, readonly string[]][] = [
  ['our table', 'ours', ['add table ip postern']],
  ['our table switched off', 'ours', ['add table ip postern { flags dormant; }']],
  ['a table with our name in a family that we do not use', 'others', ['delete table inet postern']],
  ['a chain of ours', 'ours', ['add chain ip6 postern stray { type filter hook input priority 0; policy drop; }']],
  ['a rule of ours', 'ours', ['delete rule bridge postern sources handle 17']],
  [
    'a rule of ours among others',
    'ours',
    ['insert rule ip postern forward handle 2 accept', 'delete rule ip nat x handle 5'],
  ],
  ['an element of ours', 'ours', ['add element ip postern tuples4-kph4d6bsefai { 10.0.0.1 . tcp . 80 }']],
  [
    'a helper in our table',
    'ours',
    ['add ct helper ip postern h {', '\t\ttype "ftp" protocol tcp', '\t\tl3proto ip', '\t}'],
  ],
  [
    'others',
    'others',
    ['add table ip nat', 'add rule ip nat postern jump postern', 'add element ip kube-proxy m { 1.1.1.1 : goto c }'],
  ],
  ['tables with names like ours', 'others', ['add table ip postern-2', 'add chain ip my-postern c']],
  ['an object of others on several lines', 'others', ['add ct helper ip nat h {', '\t\ttype "ftp" protocol tcp', '}']],
  [
    'a set that nft does not know',
    'unnamed',
    ['W: Unable to cache set_elem. Set not found.', 'W: Received event for an unknown set.'],
  ],
  ['that and others', 'unnamed', ['add table ip nat', 'W: Received event for an unknown set.']],
  [
    'that and ours',
    'ours',
    ['add set ip postern pods4-x { type ipv4_addr; } ', 'W: Received event for an unknown set.'],
  ],
  ['nothing at all', 'unnamed', []],
  ['what nobody has seen yet', 'unnamed', ['# ERROR: something else']],
];

const ended = (number: number): string => `# new generation ${number} by process 4711 (nft)`;

describe('what nft monitor prints', () => {
  for (const [what, transaction, lines] of printed) {
    it(`says whose tables a transaction has changed: ${what}`, () => {
      assert.deepEqual(new TransactionReader().read([...lines, ended(7), ''].join('\n')), [transaction]);
    });
  }

  it('is read in pieces of any length', () => {
    const text = printed.flatMap(([, , lines], index) => [...lines, ended(index)]).join('\n');
    for (const length of [1, 7, 100, text.length]) {
      const reader = new TransactionReader();
      const told: Transaction[] = [];
      for (let at = 0; at < text.length; at += length) told.push(...reader.read(text.slice(at, at + length)));
      told.push(...reader.read('\n'));
      assert.deepEqual(
        told,
        printed.map(([, transaction]) => transaction),
      );
    }
  });

  it('tells that generations are missing', () => {
    const read = (...numbers: number[]) =>
      new TransactionReader().read(numbers.map((n) => `add table ip nat\n${ended(n)}\n`).join(''));
    assert.deepEqual(read(7, 8, 9), ['others', 'others', 'others']);
    assert.deepEqual(read(7, 9), ['others', 'lost', 'others']);
    assert.deepEqual(read(7, 7), ['others', 'lost', 'others']);
  });
});
