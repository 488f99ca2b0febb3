import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, beforeEach, describe, it } from 'mocha';
import { readTables } from '../../src/agent/read-tables.ts';
import { noElementReader, openElementReader, type ElementReader } from '../../src/apply/element-reader.ts';
import { createNft, type Nft } from '../../src/apply/nft.ts';
import { encodeElementBatch } from '../../src/nftables/element-batch.ts';
import { foreignNames } from '../../src/nftables/foreign.ts';
import { NetlinkBytes } from '../../src/nftables/netlink-bytes.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Element, KeyType, NftSet, Ruleset, VerdictMap } from '../../src/nftables/ruleset.ts';
import { openKernel, type Kernel } from '../apply/kernel.ts';
import { guardedNode } from '../compile/guarded-node.ts';
import { loadOperations } from '../nftables/load.ts';
import { rulesets } from '../nftables/random-ruleset.ts';
import { hostileCluster, hostileFacts } from '../support/hostile-cluster.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';
import { plain } from '../support/plain.ts';
import { startPipeline } from '../support/pipeline.ts';
import { runs } from '../support/runs.ts';

const { signal } = new AbortController();

/** Each test reads the same tables by netlink and by nft alone. */
describe('our tables, read by netlink', function () {
  this.timeout(600_000);
  let kernel: Kernel;
  let nft: Nft;
  let reader: ElementReader;
  let failures: unknown[];
  /** Sets and maps that nft listed one by one. */
  let listed: string[];

  before(async function () {
    kernel = await openKernel(this);
    const process = createNft({ program: kernel.nft });
    nft = {
      ...process,
      listSet(family, name, stop) {
        listed.push(name);
        return process.listSet(family, name, stop);
      },
      listMap(family, name, stop) {
        listed.push(name);
        return process.listMap(family, name, stop);
      },
    };
  });
  after(() => kernel?.close());
  beforeEach(() => {
    failures = [];
    reader = openElementReader({
      openSocket: openNetlinkIn(kernel.namespacePath),
      failed: (error) => failures.push(error),
    });
  });

  /** Our tables as nft lists them, after netlink has read the same. */
  async function read(): Promise<Ruleset> {
    let hasRead = false;
    listed = [];
    const checked: ElementReader = {
      ...reader,
      async read(listing) {
        const tables = await reader.read(listing);
        hasRead = tables !== undefined;
        return tables;
      },
    };
    const found = (await readTables(nft, checked, signal)) ?? {};
    assert.ok(hasRead, `it left all to nft: ${String(failures)}`);
    const expected = (await readTables(nft, noElementReader, signal)) ?? {};
    assert.deepEqual(found, expected);
    return found;
  }

  async function load(script: string): Promise<void> {
    await kernel.sh('nft flush ruleset');
    await nft.run(script, { check: false, signal });
  }

  const loadRuleset = (ruleset: Ruleset): Promise<void> => load(renderScript(loadOperations(ruleset)));

  const namesOf = (ruleset: Ruleset, isWanted: (object: NftSet | VerdictMap) => boolean): string[] =>
    Object.values(ruleset).flatMap(({ sets, maps }) =>
      [...sets.values(), ...maps.values()].filter(isWanted).map(({ name }) => name),
    );

  it('are as nft lists them, whatever Postern has written; nft lists only the sets that packets fill', async () => {
    await fc.assert(
      fc.asyncProperty(rulesets, async (ruleset) => {
        await loadRuleset(ruleset);
        assert.deepEqual(await read(), ruleset);
        assert.deepEqual(
          listed,
          namesOf(ruleset, (object) => 'records' in object),
        );
      }),
      { numRuns: runs(60) },
    );
  });

  const hostile = startPipeline('n1', hostileCluster(), { podCidrs: ['0.0.0.0/0', '::/0'] });
  for (const fact of hostileFacts()) hostile.receive(fact);
  const compiled = {
    'a node with routed pods': guardedNode((name) => ({ device: `veth-${name}` }), { fastPath: true }),
    'a node with pods on a bridge': guardedNode((name) => ({ device: 'cni0', port: `veth-${name}` })),
    'a node with hostile policies': hostile.plan(undefined).compiled.ruleset,
  };
  for (const [name, ruleset] of Object.entries(compiled)) {
    it(`are those of ${name}`, async () => {
      await loadRuleset(ruleset);
      assert.deepEqual(plain(await read()), plain(ruleset));
      assert.deepEqual(
        listed,
        namesOf(ruleset, (object) => 'records' in object),
      );
    });
  }

  it('may have sets that need many datagrams', async () => {
    const addresses = Array.from(
      { length: 20_000 },
      (_, i) => `fd00::${(i >> 8).toString(16)}:${(i & 255).toString(16)}`,
    );
    await load(`table ip6 postern { set s { type ipv6_addr; elements = { ${addresses.join()} }; }; }`);
    assert.equal((await read()).ip6!.sets.get('s')!.elements.size, addresses.length);
    assert.deepEqual(listed, []);
  });

  it('may not be there', async () => {
    await load('table inet postern { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }');
    assert.deepEqual(await read(), {});
  });

  /** The statements make an object `odd` in a table with a chain `c`; nft must list it. */
  const oddities: Readonly<Record<string, string>> = {
    'an element with a comment': 'set odd { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 comment "x" }; }',
    'an interval with a comment':
      'set odd { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 80 comment "x" }; }',
    'a mapping with a comment': 'map odd { type ipv4_addr : verdict; elements = { 10.0.0.1 comment "x" : drop }; }',
    'a catch-all element in a set': 'set odd { type ipv4_addr; elements = { 10.0.0.1, * }; }',
    'a catch-all element in a set of several fields': 'set odd { type ipv4_addr . inet_service; elements = { * }; }',
    'a catch-all element in a map of intervals':
      'map odd { type ipv4_addr . inet_service : verdict; flags interval; elements = { 10.0.0.1 . 80 : drop, * : accept }; }',
    'a catch-all element with a comment':
      'map odd { type ipv4_addr : verdict; elements = { 10.0.0.1 : drop, * comment "x" : accept }; }',
    'intervals of one field': 'set odd { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1 }; }',
    'an open interval of one field': 'set odd { type inet_service; flags interval; elements = { 80-65535 }; }',
    'prefixes of device names': 'set odd { type ifname; flags interval; elements = { "eth*" }; }',
    'a device name that Postern does not write': 'set odd { type ifname; elements = { "a,b" }; }',
    'a device name and an interval':
      'set odd { type ifname . ipv4_addr; flags interval; elements = { "eth0" . 10.0.0.0/8, "eth*" . 11.0.0.0/8 }; }',
    'elements with a timeout': 'set odd { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 1h }; }',
    'a default timeout': 'set odd { type ipv4_addr; timeout 1h; elements = { 10.0.0.1 }; }',
    'an element with a time of its own in a set of records':
      'set odd { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1h; elements = { 10.0.0.1 timeout 2h }; }',
    'an element with a comment in a set of records':
      'set odd { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1h; elements = { 10.0.0.1 comment "x" }; }',
    'an element of nft in a set of records':
      'set odd { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1h; elements = { 10.0.0.1 }; }',
    'interface indices': 'set odd { type iface_index; elements = { "lo" }; }',
    'counters in the declaration': 'set odd { type ipv4_addr; counter; elements = { 10.0.0.1 }; }',
    'a size': 'set odd { type ipv4_addr; size 100; elements = { 10.0.0.1 }; }',
    'constant elements': 'set odd { type ipv4_addr; flags constant; elements = { 10.0.0.1 }; }',
    'a mark': 'map odd { type ipv4_addr : mark; elements = { 10.0.0.1 : 1 }; }',
    'merged intervals': 'set odd { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.1-10.0.0.2 }; }',
    'a key of another type': 'set odd { type mark; elements = { 1 }; }',
    'fields of expressions': 'set odd { typeof ip saddr . th dport; elements = { 10.0.0.1 . 80 }; }',
  };
  for (const [what, statement] of Object.entries(oddities)) {
    it(`are as nft lists them: ${what}`, async () => {
      const own = 'set s { type ipv4_addr; elements = { 10.0.0.9 }; }';
      await load(`table ip postern { ${own}; chain c { }; ${statement}; }`);
      const { sets, maps } = (await read()).ip!;
      assert.deepEqual(sets.get('s')!.elements, new Set(['10.0.0.9']));
      assert.ok(sets.get('odd') ?? maps.get('odd'));
    });
  }

  const foreign = [
    'an element with a comment',
    'an interval with a comment',
    'a mapping with a comment',
    'an element with a time of its own in a set of records',
  ];
  for (const what of foreign) {
    it(`are foreign: ${what}`, async () => {
      await load(`table ip postern { chain c { }; ${oddities[what]!}; }`);
      assert.deepEqual(foreignNames(await read()), ['odd']);
    });
  }

  it('are foreign where a foreign element is among many of ours, in random tables', async () => {
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(rulesets, fc.nat(), async (ruleset, choice) => {
        await loadRuleset(ruleset);
        const written = Object.entries(ruleset).flatMap(([family, { sets }]) =>
          [...sets.values()].flatMap((set) => [...set.elements].map((element) => ({ family, set, element }))),
        );
        if (written.length === 0) return;
        const { family, set, element } = written[choice % written.length]!;
        const text = textOf(set.key, element);
        const elements = `set ${family} postern ${set.name}`.replace('set ', '');
        await nft.run(`delete element ${elements} { ${text} }; add element ${elements} { ${text} comment "x" }\n`, {
          check: false,
          signal,
        });
        assert.deepEqual(foreignNames(await read()), [set.name]);
        seen++;
      }),
      { numRuns: runs(40) },
    );
    assert.ok(seen > 5, `${seen} foreign elements`);
  });

  /** Adds an element that nft could not write. `change` gets the message that adds it as Postern would. */
  async function addRaw(key: readonly KeyType[], element: Element, change: (bytes: Buffer) => Buffer): Promise<void> {
    const set: NftSet = { name: 'odd', key, interval: false, elements: new Set() };
    const { bytes } = encodeElementBatch([{ verb: 'add elements', family: 'ip', set, elements: [element] }], 1)!;
    const socket = await openNetlinkIn(kernel.namespacePath)();
    await socket.send(change(Buffer.from(bytes)));
    assert.equal(socket.receive()!.readInt32LE(16), 0);
    socket.close();
  }

  it('are as nft lists them: bytes between the fields of a key, which no packet has', async () => {
    await load('table ip postern { set odd { type inet_proto . inet_service; elements = { udp . 53 }; }; }');
    await addRaw(['inet_proto', 'inet_service'], 'tcp . 80', (bytes) => {
      bytes[bytes.indexOf(Buffer.from([6, 0, 0, 0, 0, 80, 0, 0])) + 1] = 7;
      return bytes;
    });
    const { elements } = (await read()).ip!.sets.get('odd')!;
    assert.deepEqual([elements, listed], [new Set(['tcp . 80', 'udp . 53']), ['odd']]);
  });

  it('are as nft lists them: a device name with a zero byte in the middle', async () => {
    await load('table ip postern { set odd { type ifname; }; }');
    await addRaw(['ifname'], 'eth0', (bytes) => {
      bytes[bytes.indexOf('eth0') + 2] = 0;
      return bytes;
    });
    await read();
    assert.deepEqual(listed, ['odd']);
  });

  it('are foreign: an element with a counter, which nft adds only to sets with counters', async () => {
    await load('table ip postern { set odd { type ipv4_addr; elements = { 10.0.0.1 }; }; }');
    await addRaw(['ipv4_addr'], '10.0.0.2', (bytes) => withCounter(bytes, Buffer.from([10, 0, 0, 2])));
    assert.deepEqual([foreignNames(await read()), listed], [['odd'], ['odd']]);
  });

  it('are read while other programs change theirs', async () => {
    await loadRuleset(compiled['a node with routed pods']);
    const stop = new AbortController();
    const other = (async () => {
      for (let i = 0; !stop.signal.aborted; i++) {
        await kernel.sh(`nft add table ip other-${i}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    try {
      const found = await readTables(nft, reader, signal);
      assert.deepEqual(plain(found!), plain(compiled['a node with routed pods']));
    } finally {
      stop.abort();
      await other;
    }
    assert.deepEqual(failures, []);
  });
});

/** The batch with a counter in its only element, which ends with the key: all that holds the element gets longer. */
function withCounter(batch: Buffer, key: Buffer): Buffer {
  const counter = new NetlinkBytes();
  const expression = 7;
  const [name, data] = [1, 2];
  counter.nest(expression, () => {
    counter.text(name, 'counter');
    counter.nest(data, () => {});
  });
  const addition = counter.take();
  const end = batch.indexOf(key) + key.length;
  const longer = Buffer.concat([batch.subarray(0, end), addition, batch.subarray(end)]);
  // The request follows a begin of 20 bytes.
  const request = 20;
  longer.writeUInt32LE(batch.readUInt32LE(request) + addition.length, request);
  // The list of elements, and the element in it: before the key and its value.
  for (const at of [end - key.length - 16, end - key.length - 12])
    longer.writeUInt16LE(batch.readUInt16LE(at) + addition.length, at);
  return longer;
}

/** In the spelling of a script. */
function textOf(key: readonly KeyType[], element: Element): string {
  return element
    .split(' . ')
    .map((text, index) => (key[index] === 'ifname' ? `"${text}"` : text))
    .join(' . ');
}
