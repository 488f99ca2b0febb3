import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { nftKernelTables, type KernelTablesOptions } from '../../src/agent/kernel-tables.ts';
import { noElementReader, type ElementReader } from '../../src/apply/element-reader.ts';
import { noElementWriter } from '../../src/apply/element-writer.ts';
import type { Nft } from '../../src/apply/nft.ts';
import type { NftSet, Operation, Ruleset, TableFamily } from '../../src/nftables/ruleset.ts';

const { signal } = new AbortController();
const operations: Operation[] = [{ verb: 'delete chain', family: 'ip', name: 'old' }];

describe('a transaction after a grace period', () => {
  /** Notes the calls. The wait ends a turn later, or fails. */
  async function callsOf(afterGracePeriod: boolean, failure?: Error, writer = noElementWriter): Promise<string[]> {
    const calls: string[] = [];
    const nft = {
      async awaitGracePeriod() {
        calls.push('wait');
        await new Promise(setImmediate);
        if (failure) throw failure;
        calls.push('end of the wait');
      },
      run: async (script: string) => void calls.push(script.trim()),
    } as unknown as Nft;
    await nftKernelTables(nft, { writer })
      .run(operations, { check: false, signal, afterGracePeriod })
      .catch((error: unknown) => calls.push(String(error)));
    return calls;
  }

  it('runs when the wait has ended', async () => {
    assert.deepEqual(await callsOf(true), ['wait', 'end of the wait', 'delete chain ip postern old']);
  });

  it('does not run if the wait fails', async () => {
    assert.deepEqual(await callsOf(true, new Error('nft does not start')), ['wait', 'Error: nft does not start']);
  });

  it('runs without a wait of nft where netlink has waited', async () => {
    const elements = { ...noElementWriter, awaitGracePeriod: async () => true };
    assert.deepEqual(await callsOf(true, undefined, elements), ['delete chain ip postern old']);
  });

  it('waits only if it is asked to', async () => {
    assert.deepEqual(await callsOf(false), ['delete chain ip postern old']);
  });
});

describe('a transaction of elements', () => {
  const set: NftSet = { name: 's', key: ['ipv4_addr'], interval: false, elements: new Set() };
  const addition: Operation[] = [{ verb: 'add elements', family: 'ip', set, elements: ['10.0.0.1'] }];
  const script = 'table ip postern { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }';

  /** Notes the calls, and what wrote the transaction. `write` is what the writer of elements does. */
  async function callsOf(write: () => Promise<boolean>, options: Partial<KernelTablesOptions> = {}): Promise<string[]> {
    const calls: string[] = [];
    const nft = {
      awaitGracePeriod: async () => void calls.push('wait'),
      run: async (text: string) => void calls.push(`nft: ${text.trim()}`),
    } as unknown as Nft;
    const writer = {
      async awaitGracePeriod() {
        calls.push('wait with netlink');
        return write();
      },
      async write(operations: readonly Operation[]) {
        assert.equal(operations, addition);
        calls.push('netlink');
        return write();
      },
    };
    await nftKernelTables(nft, { writer, wrote: (by) => calls.push(`by ${by}`) })
      .run(addition, { check: false, signal, ...options })
      .catch((error: unknown) => calls.push(String(error)));
    return calls;
  }

  it('is written by netlink, and not by nft', async () => {
    assert.deepEqual(await callsOf(async () => true), ['netlink', 'by netlink']);
  });

  it('is written by nft if netlink leaves it', async () => {
    assert.deepEqual(await callsOf(async () => false), ['netlink', `nft: ${script}`, 'by nft']);
  });

  it('is not repeated by nft if its result is unknown', async () => {
    const failure = new Error('no answer');
    assert.deepEqual(await callsOf(() => Promise.reject(failure)), ['netlink', 'Error: no answer']);
  });

  it('is checked by nft alone', async () => {
    assert.deepEqual(await callsOf(async () => true, { check: true }), [`nft: ${script}`]);
  });

  it('waits for packets in flight first', async () => {
    const calls = await callsOf(async () => true, { afterGracePeriod: true });
    assert.deepEqual(calls, ['wait with netlink', 'netlink', 'by netlink']);
  });

  it('waits with nft if netlink does not', async () => {
    const calls = await callsOf(async () => false, { afterGracePeriod: true });
    assert.deepEqual(calls, ['wait with netlink', 'wait', 'netlink', `nft: ${script}`, 'by nft']);
  });
});

describe('a reading of our tables', () => {
  const listing = (elements: string): string =>
    `{"nftables":[{"set":{"family":"ip","table":"postern","name":"s","type":"ipv4_addr"${elements}}}]}`;
  const full = listing(',"elem":["10.0.0.1"]');
  const held = (...elements: string[]): Ruleset => ({
    ip: {
      sets: new Map([['s', { name: 's', key: ['ipv4_addr'], interval: false, elements: new Set(elements) }]]),
      maps: new Map(),
      chains: new Map(),
    },
  });

  /** Notes what nft lists. */
  function observe(reader: ElementReader | undefined, calls: string[]): Promise<Ruleset | undefined> {
    const list =
      (what: string, text: string) =>
      async (family: TableFamily): Promise<string | undefined> => {
        calls.push(`${what} ${family}`);
        return family === 'ip' ? text : undefined;
      };
    const nft = {
      list: list('all of', full),
      listTerse: list('terse', listing('')),
      listSet: list('set of', full),
      listMap: list('map of', listing(',"map":"verdict"').replace('"set"', '"map"')),
    } as unknown as Nft;
    return nftKernelTables(nft, reader ? { reader } : {}).observe(signal);
  }

  it('takes three listings of nft without elements, and what the reader makes of them', async () => {
    const calls: string[] = [];
    const reader: ElementReader = {
      ...noElementReader,
      async read({ tables, set, map }) {
        assert.deepEqual(await tables(), held());
        assert.deepEqual(await set('ip', 's'), held('10.0.0.1').ip!.sets.get('s'));
        assert.deepEqual(await map('ip', 's'), { name: 's', key: ['ipv4_addr'], interval: false, elements: new Map() });
        assert.equal(await set('ip6', 's'), undefined);
        return held('10.0.0.2');
      },
    };
    assert.deepEqual(await observe(reader, calls), held('10.0.0.2'));
    assert.deepEqual(calls, ['terse ip', 'terse ip6', 'terse bridge', 'set of ip', 'map of ip', 'set of ip6']);
  });

  it('finds no table if there is none', async () => {
    assert.equal(await observe({ ...noElementReader, read: async () => ({}) }, []), undefined);
  });

  for (const [what, reader] of [
    ['the reader leaves all to it', noElementReader],
    ['there is no reader', undefined],
  ] as const)
    it(`takes three listings of nft with all elements if ${what}`, async () => {
      const calls: string[] = [];
      assert.deepEqual(await observe(reader, calls), held('10.0.0.1'));
      assert.deepEqual(calls, ['all of ip', 'all of ip6', 'all of bridge']);
    });
});

describe('one chain, read again and again', () => {
  const forward = { name: 'forward', base: { hook: 'forward', priority: -10 }, rules: [] } as const;
  const listing = (rules: readonly object[] = []): string => {
    const chain = { family: 'ip', table: 'postern', name: 'forward', type: 'filter', hook: 'forward', prio: -10 };
    return JSON.stringify({ nftables: [{ chain: { ...chain, policy: 'accept' } }, ...rules] });
  };
  const drop = { rule: { family: 'ip', table: 'postern', chain: 'forward', expr: [{ drop: null }] } };

  /** The rules of the kernel and the number of their generation, and how often nft was asked. */
  function open(): {
    kernel: { rules: readonly object[]; generation: number | undefined; lists: number; asked: number };
    /** Milliseconds. */
    time: { now: number };
    /** As the drift watch, every 300 ms. */
    look: () => Promise<number | undefined>;
    readAll: () => Promise<unknown>;
  } {
    const kernel = { rules: [] as readonly object[], generation: 7 as number | undefined, lists: 0, asked: 0 };
    const time = { now: 1000 };
    const nft = {
      async listChain() {
        kernel.lists++;
        return listing(kernel.rules);
      },
      list: async () => undefined,
    } as unknown as Nft;
    const read = async (): Promise<number> => {
      kernel.asked++;
      if (kernel.generation === undefined) throw new Error('no netlink');
      return kernel.generation;
    };
    const tables = nftKernelTables(nft, { generations: { read }, clock: { now: () => time.now } });
    const look = async (): Promise<number | undefined> => {
      const chain = await tables.observeChain('ip', 'forward', signal);
      time.now += 300;
      return chain?.rules.length;
    };
    return { kernel, time, look, readAll: () => tables.observe(signal) };
  }

  it('is asked of nft twice in a generation, and then no more', async () => {
    const { kernel, look } = open();
    for (let i = 0; i < 5; i++) assert.equal(await look(), 0);
    assert.equal(kernel.lists, 2);
  });

  it('is read again after each transaction', async () => {
    const { kernel, look } = open();
    for (let i = 0; i < 3; i++) await look();
    Object.assign(kernel, { rules: [drop], generation: 8 });
    assert.equal(await look(), 1);
  });

  it('does not hide rules that the kernel publishes a moment after the number of their generation', async () => {
    const { kernel, look } = open();
    for (let i = 0; i < 3; i++) await look();
    kernel.generation = 8;
    assert.equal(await look(), 0);
    kernel.rules = [drop];
    assert.equal(await look(), 1);
  });

  it('does not count two looks within a moment as two', async () => {
    const { kernel, time, look } = open();
    await look();
    time.now -= 299;
    await look();
    kernel.rules = [drop];
    assert.equal(await look(), 1);
  });

  it('is read again after ten seconds, whatever the kernel says', async () => {
    const { kernel, time, look } = open();
    for (let i = 0; i < 3; i++) await look();
    kernel.rules = [drop];
    assert.equal(await look(), 0);
    time.now += 10_000;
    assert.equal(await look(), 1);
  });

  it('is read again after all tables were read: they may have been found changed', async () => {
    const { kernel, look, readAll } = open();
    for (let i = 0; i < 3; i++) await look();
    await readAll();
    kernel.rules = [drop];
    assert.equal(await look(), 1);
  });

  it('is asked of nft each time while the generation is not known, which is asked once a minute', async () => {
    const { kernel, time, look } = open();
    for (let i = 0; i < 3; i++) await look();
    kernel.generation = undefined;
    for (let i = 0; i < 5; i++) await look();
    assert.deepEqual([kernel.lists, kernel.asked], [7, 4]);
    Object.assign(kernel, { rules: [drop], generation: 7 });
    time.now += 60_000;
    assert.equal(await look(), 1);
    assert.equal(kernel.asked, 5);
  });

  it('is kept for each chain by itself', async () => {
    const nft = { listChain: async (family: string) => (family === 'ip' ? listing() : undefined) } as unknown as Nft;
    let now = 0;
    const clock = { now: () => (now += 300) };
    const tables = nftKernelTables(nft, { clock, generations: { read: async () => 7 } });
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await tables.observeChain('ip', 'forward', signal), forward);
      assert.equal(await tables.observeChain('ip6', 'forward', signal), undefined);
    }
  });
});
