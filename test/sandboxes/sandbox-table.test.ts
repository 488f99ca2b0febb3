import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { NodeFact } from '../../src/model/cluster.ts';
import type { LinkDescriptions } from '../../src/sandboxes/link.ts';
import { SandboxTable } from '../../src/sandboxes/sandbox-table.ts';
import { cacheEntry } from './entries.ts';

const veth = (...names: readonly string[]): LinkDescriptions => new Map(names.map((name) => [name, { kind: 'veth' }]));

function describeFact(fact: NodeFact): string {
  if (fact.op === 'ranges') return `ranges ${fact.cidrs.join()}`;
  assert.equal(fact.op, 'sandbox');
  if (!fact.value) return `${fact.id} ended`;
  const { id, name, addresses, live, link, order } = fact.value;
  const port = link && (link.port === undefined ? link.device : `${link.device}/${link.port}`);
  return [id, name, addresses.join(), live ? (port ?? 'somewhere') : 'dead', order].join(' ');
}

describe('the table of sandboxes', () => {
  const tableOf = (...ids: readonly string[]): SandboxTable => {
    const table = new SandboxTable();
    for (const id of ids) table.put(id, cacheEntry({ id }));
    return table;
  };
  const newsOf = (table: SandboxTable): string[] => table.drainChanges().map(describeFact);
  const answer = (table: SandboxTable, id: string, found: LinkDescriptions | undefined, number = 0): void =>
    table.describe([id], table.devicesOf([id]), found, number);

  it('tells nothing of one before its devices have been asked about, and then once', () => {
    const table = tableOf('c1');
    assert.deepEqual(newsOf(table), []);
    answer(table, 'c1', veth('veth-c1'));
    assert.deepEqual(newsOf(table), ['c1 web 10.1.0.2 veth-c1 1', 'ranges 10.1.0.0/24']);
    table.put('c1', cacheEntry({ id: 'c1' }));
    answer(table, 'c1', veth('veth-c1'), 1);
    assert.deepEqual(newsOf(table), []);
  });

  it('tells of an end before it tells of who is next', () => {
    const table = tableOf('c1', 'c2');
    for (const id of ['c1', 'c2']) answer(table, id, veth(`veth-${id}`));
    table.drainChanges();
    table.put('c3', cacheEntry({ id: 'c3' }));
    answer(table, 'c3', veth('veth-c3'));
    table.drop('c1');
    assert.deepEqual(newsOf(table), ['c1 ended', 'c3 web 10.1.0.2 veth-c3 3']);
    table.drop('c1');
    assert.deepEqual(newsOf(table), []);
  });

  it('ends those whose device the next one has: its name may be made of the pod, and be there again after a reboot', () => {
    for (const order of [
      ['c1', 'c2', 'c3'],
      ['c3', 'c2', 'c1'],
    ]) {
      const table = new SandboxTable();
      table.put('c1', cacheEntry({ id: 'c1', addresses: ['10.1.0.2'], devices: ['cali1'] }));
      table.put('c2', cacheEntry({ id: 'c2', addresses: ['10.1.0.3'], devices: ['cali2'] }));
      table.put('c3', cacheEntry({ id: 'c3', addresses: ['10.1.0.4'], devices: ['cali1'] }));
      for (const id of order) answer(table, id, veth('cali1', 'cali2'));
      assert.deepEqual(newsOf(table).slice(0, 3), [
        'c1 web 10.1.0.2 dead 1',
        'c2 web 10.1.0.3 cali2 2',
        'c3 web 10.1.0.4 cali1 3',
      ]);
      table.drop('c3');
      assert.deepEqual(newsOf(table), ['c3 ended']);
    }
  });

  it('looks up the devices of an earlier sandbox again when the later one that took its device has ended, or has another device', () => {
    const takes: Record<string, (table: SandboxTable) => void> = {
      'has ended': (table) => table.drop('c2'),
      'has another device': (table) => {
        table.put('c2', cacheEntry({ id: 'c2', devices: ['veth2'] }));
        answer(table, 'c2', veth('veth1', 'veth2'), 2);
      },
    };
    for (const [title, give] of Object.entries(takes)) {
      const table = new SandboxTable();
      table.put('c1', cacheEntry({ id: 'c1', devices: ['veth1'] }));
      table.put('c2', cacheEntry({ id: 'c2', devices: ['veth1'] }));
      for (const id of ['c1', 'c2']) answer(table, id, veth('veth1'), 1);
      assert.equal(newsOf(table)[0], 'c1 web 10.1.0.2 dead 1', title);
      assert.deepEqual(table.withoutAnswer(), [], title);
      give(table);
      table.drainChanges();
      assert.deepEqual(table.withoutAnswer(), ['c1'], title);
      answer(table, 'c1', veth('veth1'), 3);
      assert.deepEqual(newsOf(table), ['c1 web 10.1.0.2 veth1 1'], title);
    }
  });

  it('looks up the devices of a changed entry again if a lookup failed', () => {
    const table = tableOf('c1');
    answer(table, 'c1', veth('veth-c1'));
    table.drainChanges();
    table.put('c1', cacheEntry({ id: 'c1', devices: ['veth9'] }));
    answer(table, 'c1', undefined, 1);
    assert.deepEqual(table.withoutAnswer(), ['c1']);
    answer(table, 'c1', veth('veth9'), 2);
    assert.deepEqual(newsOf(table), ['c1 web 10.1.0.2 veth9 1']);
    assert.deepEqual(table.withoutAnswer(), []);
  });

  it('merges the files of one container', () => {
    const table = new SandboxTable();
    table.put('multus-c1-eth0', cacheEntry({ addresses: ['10.1.0.2'], devices: ['cni0', 'veth1'] }));
    table.put('cbr0-c1-eth0', cacheEntry({ addresses: ['10.1.0.2', 'fd00::2'], devices: ['veth1'] }));
    answer(table, 'c1', new Map([...veth('veth1'), ['cni0', { kind: 'bridge' }]]));
    assert.deepEqual(newsOf(table), ['c1 web 10.1.0.2,fd00::2 veth1 1', 'ranges 10.1.0.0/24']);
    table.drop('cbr0-c1-eth0');
    assert.deepEqual(newsOf(table), ['c1 web 10.1.0.2 veth1 1']);
    table.drop('multus-c1-eth0');
    assert.deepEqual(newsOf(table), ['c1 ended']);
  });

  it('lets the first file by its name say what two say, whichever came first', () => {
    for (const files of [
      ['a-c1-eth0', 'b-c1-eth0'],
      ['b-c1-eth0', 'a-c1-eth0'],
    ] as const) {
      const table = new SandboxTable();
      for (const file of files)
        table.put(file, cacheEntry({ addresses: [file.startsWith('a') ? '10.1.0.2' : '10.1.0.3'] }));
      answer(table, 'c1', veth('veth-c1'));
      assert.equal(newsOf(table)[0], 'c1 web 10.1.0.2 veth-c1 1');
    }
  });

  it('takes the answer to the question that was asked last', () => {
    const table = tableOf('c1');
    answer(table, 'c1', veth('veth-c1'), 2);
    answer(table, 'c1', veth(), 1);
    assert.deepEqual(newsOf(table)[0], 'c1 web 10.1.0.2 veth-c1 1');
    answer(table, 'c1', undefined, 3);
    assert.deepEqual(newsOf(table), []);
    answer(table, 'c1', veth(), 4);
    assert.deepEqual(newsOf(table)[0], 'c1 web 10.1.0.2 dead 1');
  });

  it('pays no comparableFields to an answer about other devices', () => {
    const table = tableOf('c1');
    table.describe(['c1', 'c9'], new Set(['other']), veth('other'), 0);
    assert.deepEqual(newsOf(table), []);
    assert.deepEqual(table.withoutAnswer(), ['c1']);
  });

  it('takes one for running if nobody answers, and says that it is still to be asked about', () => {
    const table = tableOf('c1', 'c2');
    answer(table, 'c1', undefined);
    answer(table, 'c2', veth('veth-c2'));
    assert.deepEqual(newsOf(table).slice(0, 2), ['c1 web 10.1.0.2 somewhere 1', 'c2 web 10.1.0.2 veth-c2 2']);
    assert.deepEqual(table.withoutAnswer(), ['c1']);
    answer(table, 'c1', veth('veth-c1'), 1);
    assert.deepEqual(newsOf(table), ['c1 web 10.1.0.2 veth-c1 1']);
    assert.deepEqual(table.withoutAnswer(), []);
  });

  describe('learns ranges', () => {
    const put = (table: SandboxTable, id: string, subnet: string, isLive = true): void => {
      table.put(id, cacheEntry({ id, subnet }));
      answer(table, id, isLive ? veth(`veth-${id}`) : veth());
    };
    const rangesOf = (table: SandboxTable): string[] => newsOf(table).filter((line) => line.startsWith('ranges'));

    it('of live sandboxes', () => {
      const table = new SandboxTable();
      put(table, 'c1', '10.9.0.0/24', false);
      put(table, 'c2', '10.2.0.0/24');
      put(table, 'c3', '10.1.0.0/24');
      assert.deepEqual(rangesOf(table), ['ranges 10.1.0.0/24,10.2.0.0/24']);
    });

    it('of the last one that there was, on a node that has just started', () => {
      const table = new SandboxTable();
      put(table, 'c1', '10.8.0.0/24', false);
      put(table, 'c2', '10.9.0.0/24', false);
      assert.deepEqual(rangesOf(table), ['ranges 10.9.0.0/24']);
      put(table, 'c3', '10.1.0.0/24');
      assert.deepEqual(rangesOf(table), ['ranges 10.1.0.0/24']);
    });

    it('for as long as nobody says otherwise', () => {
      const table = new SandboxTable();
      put(table, 'c1', '10.1.0.0/24');
      assert.deepEqual(rangesOf(table), ['ranges 10.1.0.0/24']);
      table.drop('c1');
      assert.deepEqual(newsOf(table), ['c1 ended']);
      put(table, 'c2', '10.2.0.0/24');
      assert.deepEqual(rangesOf(table), ['ranges 10.2.0.0/24']);
    });
  });
});
