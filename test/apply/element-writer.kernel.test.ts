import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { openElementWriter, type ElementWriter } from '../../src/apply/element-writer.ts';
import { elementBatchLimits } from '../../src/nftables/element-batch.ts';
import { renderRuleset, renderScript } from '../../src/nftables/render.ts';
import type { NftSet, Operation, Ruleset, VerdictMap } from '../../src/nftables/ruleset.ts';
import { guardedNode } from '../compile/guarded-node.ts';
import { Kernel } from '../nftables/kernel.ts';
import { loadOperations } from '../nftables/load.ts';
import { netlinkOperations } from '../nftables/random-operations.ts';
import { rulesets } from '../nftables/random-ruleset.ts';
import { hostileCluster, hostileFacts } from '../support/hostile-cluster.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';
import { startPipeline } from '../support/pipeline.ts';
import { meetsRareCases, runs } from '../support/runs.ts';
import { skipTest } from '../support/skip.ts';

const addresses: NftSet = { name: 's', key: ['ipv4_addr'], interval: false, elements: new Set(['10.0.0.1']) };
const verdicts: VerdictMap = {
  name: 'm',
  key: ['inet_proto', 'inet_service'],
  interval: false,
  elements: new Map([['tcp . 80', { kind: 'accept' }]]),
};
const standing: Ruleset = {
  ip: {
    sets: new Map([['s', addresses]]),
    maps: new Map([['m', verdicts]]),
    chains: new Map([['c', { name: 'c', rules: [] }]]),
  },
};
const add = (...elements: string[]): Operation => ({ family: 'ip', verb: 'add elements', set: addresses, elements });
const remove = (...elements: string[]): Operation => ({
  family: 'ip',
  verb: 'delete elements',
  set: addresses,
  elements,
});

describe('elements that are written by netlink', function () {
  this.timeout(600_000);
  let kernel: Kernel;
  /** The same tables, written by nft alone. */
  let twin: Kernel;
  let writer: ElementWriter;
  let failures: unknown[];
  before(function () {
    const opened = [Kernel.open('netlink'), Kernel.open('netlink-twin')] as const;
    for (const each of opened) if (typeof each === 'string') return skipTest(this, each);
    [kernel, twin] = opened as readonly [Kernel, Kernel];
  });
  after(() => {
    kernel?.close();
    twin?.close();
  });
  beforeEach(() => {
    failures = [];
    writer = openElementWriter({
      openSocket: openNetlinkIn(kernel.namespacePath),
      paused: (error) => failures.push(error),
    });
  });
  afterEach(() => {
    writer.close();
    assert.deepEqual(failures, []);
  });

  function load(ruleset: Ruleset): void {
    for (const each of [kernel, twin]) {
      each.reset();
      assert.equal(each.run(renderScript(loadOperations(ruleset))), undefined);
    }
  }

  /** Runs the operations in both kernels, and checks that both do the same. Returns whether they are in force. */
  async function write(operations: readonly Operation[]): Promise<boolean> {
    const before = renderRuleset(kernel.list());
    const isWritten = await writer.write(operations);
    const refusal = twin.run(renderScript(operations));
    assert.equal(isWritten, refusal === undefined, `nft says: ${refusal}`);
    const found = renderRuleset(kernel.list());
    assert.equal(found, renderRuleset(twin.list()));
    if (!isWritten) assert.equal(found, before);
    return isWritten;
  }

  it('are those that nft would write, or neither writes them', async () => {
    let written = 0;
    let refused = 0;
    const changes = rulesets.chain((ruleset) => fc.tuple(fc.constant(ruleset), netlinkOperations(ruleset)));
    await fc.assert(
      fc.asyncProperty(changes, async ([ruleset, operations]) => {
        if (operations.length === 0) return;
        load(ruleset);
        if (await write(operations)) written++;
        else refused++;
      }),
      { numRuns: runs(60) },
    );
    if (meetsRareCases) assert.ok(written >= runs(8) && refused >= runs(8), `${written} written, ${refused} refused`);
  });

  const hostile = startPipeline('n1', hostileCluster(), { podCidrs: ['0.0.0.0/0', '::/0'] });
  for (const fact of hostileFacts()) hostile.receive(fact);
  const compiled = {
    'a node with routed pods': guardedNode((name) => ({ device: `veth-${name}` }), { fastPath: true }),
    'a node with pods on a bridge': guardedNode((name) => ({ device: 'cni0', port: `veth-${name}` })),
    'a node with hostile policies': hostile.plan(undefined).compiled.ruleset,
  };
  for (const [name, ruleset] of Object.entries(compiled)) {
    it(`can go and come again in every plain set of ${name}`, async () => {
      load(ruleset);
      const before = renderRuleset(kernel.list());
      const { away, back } = elementsOf(ruleset);
      assert.ok(away.length > 0);
      for (let i = 0; i < away.length; i += 20) {
        assert.ok(await write(away.slice(i, i + 20)));
        assert.ok(await write(back.slice(i, i + 20)));
      }
      assert.equal(renderRuleset(kernel.list()), before);
    });
  }

  it('are in force together or not at all', async () => {
    load(standing);
    assert.ok(await write([add('10.0.0.2'), remove('10.0.0.1')]));
    assert.ok(!(await write([add('10.0.0.3'), remove('10.0.0.1')])));
    // nft makes a set and a table that are missing, so it does not do the same here.
    const none = { verb: 'add elements', set: { ...addresses, name: 'none' }, elements: ['10.0.0.3'] } as const;
    for (const family of ['ip', 'ip6'] as const)
      assert.ok(!(await writer.write([remove('10.0.0.2'), { ...none, family }])));
    assert.deepEqual([...kernel.list().ip!.sets.get('s')!.elements], ['10.0.0.2']);
  });

  it('fill a batch to its limits, and one more is for nft', async () => {
    load(standing);
    const many = (from: number, count: number): Operation[] =>
      Array.from({ length: count }, (_, index) => add(`10.1.${(from + index) >> 8}.${(from + index) & 255}`));
    assert.ok(await writer.write(many(0, elementBatchLimits.requests)));
    assert.ok(!(await writer.write(many(10_000, elementBatchLimits.requests + 1))));
    const wide = (second: number, count: number): Operation =>
      add(...Array.from({ length: count }, (_, index) => `10.${second}.${index >> 8}.${index & 255}`));
    // An element of this set takes 16 bytes.
    const most = Math.floor((elementBatchLimits.requestBytes - 100) / 16);
    assert.ok(await writer.write([wide(2, most)]));
    assert.ok(!(await writer.write([wide(3, most + 100)])));
    assert.ok(await writer.write([wide(3, most), wide(4, most)]));
    const { size } = kernel.list().ip!.sets.get('s')!.elements;
    assert.equal(size, 1 + elementBatchLimits.requests + 3 * most);
  });

  it('are refused, and later ones written, if more fail than the kernel has room for answers', async () => {
    load(standing);
    const missing = Array.from({ length: elementBatchLimits.requests }, (_, index) =>
      remove(`10.9.${index >> 8}.${index & 255}`),
    );
    assert.equal(await writer.write(missing), false);
    assert.ok(await writer.write([add('10.0.0.2')]));
  });

  it('are for nft where there is no socket', async () => {
    const failed = openElementWriter({ openSocket: () => Promise.reject(new Error('no koffi')) });
    load(standing);
    assert.ok(!(await failed.write([add('10.0.0.2')])));
    assert.deepEqual([...kernel.list().ip!.sets.get('s')!.elements], ['10.0.0.1']);
  });

  it('may come while other programs write', async () => {
    load(standing);
    for (let i = 0; i < 20; i++) {
      assert.equal(kernel.run(`add table ip other-${i}\n`), undefined);
      assert.ok(await writer.write([add(`10.0.1.${i}`)]));
    }
    assert.equal(kernel.list().ip!.sets.get('s')!.elements.size, 21);
  });
});

/** For each plain set and map, an operation that deletes all its elements, and one that adds them again. */
function elementsOf(ruleset: Ruleset): { readonly away: readonly Operation[]; readonly back: readonly Operation[] } {
  const away: Operation[] = [];
  const back: Operation[] = [];
  for (const [family, { sets, maps }] of Object.entries(ruleset) as [
    Operation['family'],
    NonNullable<Ruleset['ip']>,
  ][]) {
    for (const set of sets.values()) {
      if (set.interval || set.records || set.elements.size === 0) continue;
      const elements = [...set.elements];
      away.push({ family, verb: 'delete elements', set, elements });
      back.push({ family, verb: 'add elements', set, elements });
    }
    for (const map of maps.values()) {
      if (map.interval || map.elements.size === 0) continue;
      away.push({ family, verb: 'delete mappings', map, elements: [...map.elements.keys()] });
      back.push({ family, verb: 'add mappings', map, elements: map.elements });
    }
  }
  return { away, back };
}
