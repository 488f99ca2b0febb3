import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { openElementReader, type TerseListing } from '../../src/apply/element-reader.ts';
import type { NetlinkSocket } from '../../src/apply/netlink-socket.ts';
import { NftError } from '../../src/apply/nft-error.ts';
import type { NftSet, Ruleset, Table, VerdictMap } from '../../src/nftables/ruleset.ts';
import { dumpEnd, dumpPart, errorAnswer, generationAnswer } from '../nftables/dumps.ts';

const address = (name: string, ...elements: string[]): NftSet => ({
  name,
  key: ['ipv4_addr'],
  interval: false,
  elements: new Set(elements),
});
const records: NftSet = { ...address('records'), records: { seconds: 60, size: 1 } };
const map: VerdictMap = {
  name: 'm',
  key: ['inet_service'],
  interval: false,
  elements: new Map([['80', { kind: 'drop' }]]),
};
const tableOf = (sets: readonly NftSet[], maps: readonly VerdictMap[] = []): Table => ({
  sets: new Map(sets.map((set) => [set.name, set])),
  maps: new Map(maps.map((each) => [each.name, each])),
  chains: new Map([['c', { name: 'c', rules: [] }]]),
});
const whole: Ruleset = { ip: tableOf([address('a', '10.0.0.1'), address('b', '10.0.0.2', '10.0.0.3')], [map]) };

/** The kernel, which holds a rule set. */
class FakeKernel implements NetlinkSocket {
  ruleset: Ruleset = whole;
  generation = 1;
  /** Names of sets and maps in the order of their dumps. */
  readonly asked: string[] = [];
  isClosed = false;
  /** Returns the datagrams that answer a dump. */
  dump = (object: NftSet | VerdictMap, sequence: number): Buffer[] => [
    dumpPart(object, { sequence }),
    dumpEnd({ sequence }),
  ];
  #waiting: Buffer[] = [];

  send(): Promise<void> {
    assert.fail('a reader writes nothing');
  }

  ask(question: Uint8Array): void {
    assert.deepEqual(this.#waiting, [], 'all answers to the last question are read');
    const request = Buffer.from(question);
    const sequence = request.readUInt32LE(8);
    if (request.readUInt16LE(4) === 0x0a10) this.#waiting = [generationAnswer(sequence, this.generation)];
    else {
      // The text after the table's attribute of 12 bytes and the head of its own.
      const name = request.toString('latin1', 36, request.indexOf(0, 36));
      this.asked.push(name);
      const object = this.ruleset.ip!.sets.get(name) ?? this.ruleset.ip!.maps.get(name);
      this.#waiting = object ? this.dump(object, sequence) : [errorAnswer(sequence, 2)];
    }
  }

  receive(): Buffer | undefined {
    return this.#waiting.shift();
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Without elements, as nft lists it tersely. */
function terse(ruleset: Ruleset): Ruleset {
  return Object.fromEntries(
    Object.entries(ruleset).map(([family, { sets, maps, ...table }]) => [
      family,
      {
        ...table,
        sets: new Map([...sets.values()].map((set) => [set.name, { ...set, elements: new Set() }])),
        maps: new Map([...maps.values()].map((each) => [each.name, { ...each, elements: new Map() }])),
      },
    ]),
  );
}

describe('a reader of elements', () => {
  let kernel: FakeKernel;
  /** What nft was asked for. */
  let listings: string[];
  let failures: unknown[];
  let listing: TerseListing;
  let read: () => Promise<Ruleset | undefined>;

  beforeEach(() => {
    kernel = new FakeKernel();
    [listings, failures] = [[], []];
    listing = {
      async tables() {
        listings.push('tables');
        return terse(kernel.ruleset);
      },
      async set(_, name) {
        listings.push(name);
        return kernel.ruleset.ip!.sets.get(name);
      },
      async map(_, name) {
        listings.push(name);
        return kernel.ruleset.ip!.maps.get(name);
      },
    };
    const reader = openElementReader({
      openSocket: async () => kernel,
      failed: (error) => failures.push(String(error)),
    });
    read = () => reader.read(listing);
  });

  const odd = (object: NftSet | VerdictMap, sequence: number): Buffer[] => [
    dumpPart(object, { sequence, addTo: (bytes) => bytes.text(6, 'a comment') }),
    dumpEnd({ sequence }),
  ];

  it('completes what nft lists tersely, and closes its socket', async () => {
    assert.deepEqual(await read(), whole);
    assert.deepEqual([listings, kernel.asked, kernel.isClosed], [['tables'], ['a', 'b', 'm'], true]);
  });

  it('reads nothing of foreign sets, and lets nft list sets that packets fill', async () => {
    const foreign: NftSet = { ...address('foreign'), key: [] };
    kernel.ruleset = { ip: tableOf([foreign, records, address('a', '10.0.0.1')]) };
    assert.deepEqual(await read(), kernel.ruleset);
    assert.deepEqual([listings, kernel.asked], [['tables', 'records'], ['a']]);
  });

  it('lets nft list each set and map in which it finds what Postern does not write', async () => {
    const { dump } = kernel;
    kernel.dump = (object, sequence) => (object.name === 'b' ? dump : odd)(object, sequence);
    assert.deepEqual(await read(), whole);
    assert.deepEqual(listings, ['tables', 'a', 'm']);
  });

  it('leaves all to nft if there are many such sets', async () => {
    const names = (count: number): NftSet[] => Array.from({ length: count }, (_, i) => address(`s${i}`, '10.0.0.1'));
    kernel.dump = odd;
    for (const [count, isRead] of [
      [20, true],
      [21, false],
    ] as const) {
      kernel.ruleset = { ip: tableOf(names(count)) };
      assert.deepEqual(await read(), isRead ? kernel.ruleset : undefined);
    }
    assert.deepEqual([failures, kernel.isClosed], [[], true]);
  });

  /** What another program does once, during the first reading: before the elements of `a` are read, or after all. */
  const changes: Readonly<Record<string, (kernel: FakeKernel) => void>> = {
    'a transaction before the elements'(each) {
      const { dump } = each;
      each.dump = (object, sequence) => {
        if (each.asked.length === 1) each.generation++;
        return dump(object, sequence);
      };
    },
    'a transaction during a dump'(each) {
      const { dump } = each;
      each.dump = (object, sequence) => {
        if (each.asked.length > 1) return dump(object, sequence);
        return [dumpPart(object, { sequence, flags: 0x12 }), dumpEnd({ sequence })];
      };
    },
    'a set that is gone'(each) {
      const { dump } = each;
      each.dump = (object, sequence) => (each.asked.length > 1 ? dump(object, sequence) : [errorAnswer(sequence, 2)]);
    },
  };
  for (const [what, change] of Object.entries(changes))
    it(`reads again after ${what}`, async () => {
      change(kernel);
      assert.deepEqual(await read(), whole);
      assert.deepEqual([listings, failures], [['tables', 'tables'], []]);
    });

  it('reads again if nft no longer finds a set that it must list', async () => {
    kernel.ruleset = { ip: tableOf([records]) };
    const { set } = listing;
    let isGone = true;
    listing = {
      ...listing,
      async set(...of) {
        const found = await set(...of);
        const result = isGone ? undefined : found;
        isGone = false;
        return result;
      },
    };
    assert.deepEqual(await read(), kernel.ruleset);
    assert.deepEqual(listings, ['tables', 'records', 'tables', 'records']);
  });

  it('leaves all to nft if other programs change something each time', async () => {
    const { dump } = kernel;
    kernel.dump = (object, sequence) => {
      assert.ok(kernel.generation++ < 20);
      return dump(object, sequence);
    };
    assert.equal(await read(), undefined);
    assert.deepEqual([listings, failures, kernel.isClosed], [['tables', 'tables', 'tables'], [], true]);
  });

  it('leaves all to nft if the kernel answers otherwise, reports it once, and tries again the next time', async () => {
    const { dump } = kernel;
    kernel.dump = (object, sequence) => dump(object, sequence).slice(0, 1);
    assert.deepEqual([await read(), await read()], [undefined, undefined]);
    assert.deepEqual([failures, kernel.isClosed], [['Error: the kernel did not answer'], true]);
    kernel = new FakeKernel();
    assert.deepEqual(await read(), whole);
    kernel.dump = (object, sequence) => dump(object, sequence + 1);
    assert.equal(await read(), undefined);
    assert.deepEqual(failures.slice(1), ['Error: the kernel answered another request']);
  });

  it('leaves all to nft if there is no socket', async () => {
    const reader = openElementReader({
      openSocket: () => Promise.reject(new Error('no koffi')),
      failed: (error) => failures.push(String(error)),
    });
    assert.equal(await reader.read(listing), undefined);
    assert.deepEqual([listings, failures], [[], ['Error: no koffi']]);
  });

  it('rejects if nft fails', async () => {
    listing = {
      ...listing,
      tables: () => Promise.reject(new NftError('crashed', 'nft was ended', { stderr: '', script: '' })),
    };
    await assert.rejects(read(), { code: 'crashed' });
    assert.deepEqual([failures, kernel.isClosed], [[], true]);
  });

  it('lets other work have its turn between the parts of a dump', async () => {
    // Longer than the reader goes on without a pause.
    const part = 15;
    let turns = 0;
    let isReading = true;
    const count = (): void => {
      turns++;
      if (isReading) setImmediate(count);
    };
    setImmediate(count);
    const { dump } = kernel;
    kernel.dump = (object, sequence) => {
      for (const end = performance.now() + part; performance.now() < end;);
      return dump(object, sequence);
    };
    await read();
    isReading = false;
    assert.ok(turns >= 3, `${turns} turns`);
  });
});
