import { deepEqual, equal, ok } from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { KernelSampler } from '../../src/agent/kernel-sampler.ts';
import { nftKernelParts } from '../../src/agent/kernel-tables.ts';
import { noElementReader, openElementReader, type ElementReader } from '../../src/apply/element-reader.ts';
import { createNft, type Nft } from '../../src/apply/nft.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { openKernel, type Kernel } from '../apply/kernel.ts';
import { guardedNode } from '../compile/guarded-node.ts';
import { loadOperations } from '../nftables/load.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';

const { signal } = new AbortController();

describe('the sampler of the kernel (kernel)', function () {
  this.timeout(600_000);
  let kernel: Kernel;
  let nft: Nft;
  let should: Ruleset;
  before(async function () {
    kernel = await openKernel(this);
    nft = createNft({ program: kernel.nft });
    should = guardedNode((name) => ({ device: 'cni0', port: `veth-${name}` }));
  });
  after(() => kernel?.close());

  async function load(): Promise<void> {
    await kernel.sh('nft flush ruleset');
    await nft.run(renderScript(loadOperations(should)), { check: false, signal });
  }

  /** What a round finds: the parts that differ, and the tables that were compared in full. */
  async function round(reader: ElementReader): Promise<{ differs: string[]; compared: string[]; failed: unknown[] }> {
    const [differs, failed]: [string[], unknown[]] = [[], []];
    const sampler = new KernelSampler({
      parts: nftKernelParts(nft, reader),
      clock: { now: () => performance.now() },
      signal,
      events: {
        compared: () => {},
        different: (family, object) => differs.push(object === undefined ? family : `${family} ${object}`),
        unproven: () => {},
        failed: (error) => failed.push(error),
      },
    });
    for (let looks = 0; looks < 150 && differs.length === 0; looks++) await sampler.look(should);
    return { differs, failed, compared: Object.keys(sampler.secondsAgo) };
  }

  const netlink = (): ElementReader =>
    openElementReader({
      openSocket: openNetlinkIn(kernel.namespacePath),
      failed: (error) => ok(false, String(error)),
    });

  it('finds what Postern writes as it was written, by netlink and by nft', async () => {
    await load();
    for (const reader of [netlink(), noElementReader]) {
      deepEqual(await round(reader), { differs: [], failed: [], compared: ['ip', 'ip6', 'bridge'] });
    }
  });

  /** Each by a program that is not the agent. */
  const changes = new Map<string, (should: Ruleset) => readonly [script: string, differs: RegExp]>([
    [
      'a deleted element',
      ({ ip }) => {
        const set = [...ip!.sets.values()].find(({ elements, records }) => elements.size > 0 && !records)!;
        return [`delete element ip postern ${set.name} { ${[...set.elements][0]} }`, /^ip [a-z]/];
      },
    ],
    [
      'a deleted mapping',
      ({ ip6 }) => {
        const map = ip6!.maps.get('ingress6')!;
        return [
          `delete element ip6 postern ingress6 { ${[...map.elements.keys()].find((key) => key !== '*')!} }`,
          /^ip6 ingress6$/,
        ];
      },
    ],
    ['an added element', () => ['add element ip postern ingress4 { 10.9.9.9 : accept }', /^ip ingress4$/]],
    ['a flushed chain', () => ['flush chain ip postern deny-ingress', /^ip$/]],
    ['an added rule', () => ['insert rule bridge postern prerouting accept', /^bridge$/]],
    ['an added set', () => ['add set ip6 postern theirs { type ipv6_addr; }', /^ip6$/]],
    ['a deleted table', () => ['delete table ip6 postern', /^ip6/]],
  ]);
  for (const [what, change] of changes) {
    it(`finds ${what}`, async () => {
      const [script, differs] = change(should);
      for (const reader of [netlink(), noElementReader]) {
        await load();
        await kernel.sh(`nft '${script}'`);
        const found = await round(reader);
        equal(found.differs.length, 1, `${script}: ${JSON.stringify(found)}`);
        ok(differs.test(found.differs[0]!), found.differs[0]);
      }
    });
  }
});
