import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { nftKernelTables, type KernelTables } from '../../src/agent/kernel-tables.ts';
import { openGenerationReader, type GenerationReader } from '../../src/apply/generation.ts';
import { openNetworkNamespace, type NetworkNamespace } from '../../src/apply/network-namespace.ts';
import { createNft } from '../../src/apply/nft.ts';
import { tableFamilies, type Chain, type Operation } from '../../src/nftables/ruleset.ts';
import type { Ruleset, TableFamily } from '../../src/nftables/ruleset.ts';
import { openKernel, type Kernel } from '../apply/kernel.ts';

const { signal } = new AbortController();
const forward: Chain = { name: 'forward', base: { hook: 'forward', priority: -10 }, rules: [] };
const prerouting: Chain = {
  name: 'prerouting',
  base: { hook: 'prerouting', priority: -300 },
  rules: [
    { matches: [{ kind: 'compare', field: 'iifname', op: '==', values: ['veth-a'] }], verdict: { kind: 'drop' } },
  ],
};
const chains = { ip: forward, ip6: forward, bridge: prerouting };
const makes = (family: TableFamily): Operation[] => [
  { verb: 'add table', family },
  { verb: 'add chain', family, chain: chains[family] },
];
const table = (family: TableFamily) => ({
  sets: new Map(),
  maps: new Map(),
  chains: new Map([[chains[family].name, chains[family]]]),
});

describe('the kernel tables', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let door: KernelTables;
  before(async function () {
    kernel = await openKernel(this);
    door = nftKernelTables(createNft({ program: kernel.nft }));
  });
  afterEach(() => kernel?.sh('nft flush ruleset'));
  after(() => kernel?.close());

  const cases: readonly (readonly TableFamily[])[] = [
    [],
    ['ip'],
    ['ip6'],
    ['bridge'],
    ['ip', 'ip6'],
    ['ip6', 'bridge'],
    ['ip', 'ip6', 'bridge'],
  ];
  for (const there of cases) {
    it(`sees ${there.length === 0 ? 'no table' : `of our tables ${there.join(', ')}`}`, async () => {
      const expected: Ruleset = Object.fromEntries(there.map((family) => [family, table(family)]));
      await door.run(there.flatMap(makes), { check: false, signal });
      assert.deepEqual(await door.observe(signal), there.length > 0 ? expected : undefined);
      for (const family of tableFamilies) {
        const { name } = chains[family];
        assert.deepEqual(await door.observeChain(family, name, signal), expected[family]?.chains.get(name));
      }
    });
  }

  for (const family of tableFamilies) {
    it(`writes all or none, where the kernel refuses something of ${family}`, async () => {
      const broken: Operation = { verb: 'delete set', family, name: 'none' };
      const script = [...tableFamilies.flatMap(makes), broken];
      await assert.rejects(door.run(script, { check: false, signal }), { code: 'refused' });
      assert.equal(await door.observe(signal), undefined);
    });
  }
});

describe('one chain of the kernel, read again only if something has changed (S7.16)', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let namespace: NetworkNamespace;
  let door: KernelTables;
  let generations: GenerationReader;
  let now = 0;
  before(async function () {
    kernel = await openKernel(this);
    namespace = openNetworkNamespace(kernel.namespacePath);
    generations = openGenerationReader(namespace.openSocket);
    const clock = { now: () => (now += 300) };
    door = nftKernelTables(createNft({ program: kernel.nft }), { generations, clock });
  });
  after(async () => {
    generations?.close();
    namespace?.close();
    await kernel?.close();
  });
  const look = (): Promise<Chain | undefined> => door.observeChain('ip', 'forward', signal);

  const others: readonly (readonly [string, string])[] = [
    ['adds a rule', 'nft add rule ip postern forward drop'],
    ['flushes the chain', 'nft flush chain ip postern forward'],
    ['flushes the table', 'nft flush table ip postern'],
    ['deletes the table', 'nft delete table ip postern'],
    ['deletes all tables', 'nft flush ruleset'],
    ['renames the chain', 'nft rename chain ip postern forward other'],
    ['changes the policy', "nft 'add chain ip postern forward { policy drop; }'"],
  ];
  for (const [does, command] of others) {
    it(`sees at its second look that another program ${does}`, async () => {
      await kernel.sh('nft flush ruleset');
      await door.run(makes('ip'), { check: false, signal });
      await kernel.sh('nft add rule ip postern forward counter');
      const seen = [await look(), await look(), await look(), await look()];
      assert.deepEqual(seen, Array(4).fill(seen[0]));
      const generation = await generations.read();
      await kernel.sh(command);
      assert.ok((await generations.read()) > generation);
      await look();
      assert.notDeepEqual(await look(), seen[0]);
    });
  }
});
