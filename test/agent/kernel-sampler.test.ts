import { deepEqual, equal } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { KernelSampler } from '../../src/agent/kernel-sampler.ts';
import type { KernelParts } from '../../src/agent/kernel-tables.ts';
import type { NftSet, Ruleset, Table, TableFamily } from '../../src/nftables/ruleset.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

const web = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'], labels: { app: 'web' } });
const from = [{ podSelector: { matchLabels: { app: 'client' } } }, { ipBlock: { cidr: '172.16.0.0/24' } }];
const cluster = (clients: number): ApiObject[] => [
  namespace('x'),
  node('n1', '192.0.2.1'),
  web,
  ...Array.from({ length: clients }, (_, index) =>
    pod(`x/client-${index}`, { node: 'n2', ips: [`10.2.0.${index + 1}`], labels: { app: 'client' } }),
  ),
  policy('x/web', { podSelector: { matchLabels: { app: 'web' } }, ingress: [{ from, ports: [{ port: 80 }] }] }),
];

/** An agent with a sampler, whose kernel is `nft`. */
class Sampled {
  readonly nft = new FakeNft();
  readonly clock = new ManualClock();
  readonly agent = new NodeAgent(this.nft);
  readonly results: string[] = [];
  readonly differences: string[] = [];
  failures = 0;
  readonly unproven: string[] = [];
  /** Parts that were read, and those that cannot be. */
  readonly read: string[] = [];
  readonly broken = new Set<string>();
  changing: string | undefined;

  readonly #parts: KernelParts = {
    readRules: async (family) => {
      this.#enter(family);
      const table = this.nft.ruleset?.[family];
      return table && withoutElements(table);
    },
    readObjects: async (wanted) =>
      wanted.map(({ family, object: { name } }) => {
        this.#enter(`${family} ${name}`);
        if (name === this.changing) return 'changed' as const;
        const table = this.nft.ruleset?.[family];
        return table?.sets.get(name) ?? table?.maps.get(name);
      }),
  };
  readonly sampler = new KernelSampler({
    parts: this.#parts,
    clock: this.clock,
    signal: new AbortController().signal,
    events: {
      compared: (result) => this.results.push(result),
      different: (family, object) => this.differences.push(`${family} ${object}`),
      failed: () => this.failures++,
      unproven: (family, rounds, object) => this.unproven.push(`${family} ${object} ${rounds}`),
    },
  });

  #enter(part: string): void {
    this.read.push(part);
    if (this.broken.has(part)) throw new Error('nft crashed');
  }

  /** Until each part has been compared. */
  async round(): Promise<void> {
    for (let looks = 0; looks < 155; looks++) {
      await this.agent.reconciler.compare(this.sampler.look);
      await this.agent.idle();
      this.clock.advance(2000);
    }
  }
}

const start = async (clients = 3): Promise<Sampled> => {
  const sampled = new Sampled();
  await sampled.agent.start(cluster(clients));
  return sampled;
};

function withoutElements(table: Table): Table {
  const sets = new Map(Array.from(table.sets, ([name, set]) => [name, { ...set, elements: new Set<string>() }]));
  const maps = new Map(Array.from(table.maps, ([name, map]) => [name, { ...map, elements: new Map() }]));
  return { ...table, sets, maps };
}

/** The tables with another `table ip`. */
function changed({ nft }: Sampled, change: (table: Table) => Table): void {
  nft.ruleset = { ...nft.ruleset, ip: change(nft.ruleset!.ip!) };
}

const withSet = (table: Table, name: string, elements: Iterable<string>): Table => ({
  ...table,
  sets: new Map([...table.sets, [name, { ...table.sets.get(name)!, elements: new Set(elements) }]]),
});
/** A set of the class, as compile writes it. */
const setOf = (sampled: Sampled, prefix: string): string =>
  [...sampled.nft.ruleset!.ip!.sets.keys()].find((name) => name.startsWith(prefix))!;

describe('the sampler of the kernel', () => {
  it('reads each part once in a round, and says when it began', async () => {
    const sampled = await start();
    deepEqual(sampled.sampler.secondsAgo, {});
    await sampled.round();
    const tables = Object.entries(sampled.nft.ruleset!) as [TableFamily, Table][];
    const parts = tables.flatMap(([family, { sets, maps }]) => [
      family,
      ...[...sets.values()].filter((set) => !set.records).map(({ name }) => `${family} ${name}`),
      ...Array.from(maps.keys(), (name) => `${family} ${name}`),
    ]);
    const round = sampled.read.slice(0, new Set([...parts, 'bridge']).size);
    deepEqual(new Set(round), new Set([...parts, 'bridge']));
    equal(sampled.differences.length, 0);
    equal(
      sampled.results.every((result) => result === 'same'),
      true,
    );
    const ages = Object.entries(sampled.sampler.secondsAgo);
    deepEqual(ages.map(([family]) => family).sort(), ['bridge', 'ip', 'ip6']);
    for (const [family, seconds] of ages) equal(seconds > 0 && seconds <= 600, true, `${family} ${seconds}`);
  });

  it('compares a large table within five minutes', async () => {
    const sampled = await start();
    const many = Array.from({ length: 1000 }, (_, index) => `p${index}`);
    const sets = new Map<string, NftSet>(
      many.map((name) => [name, { name, key: ['ipv4_addr'], interval: false, elements: new Set() }]),
    );
    const should: Ruleset = { ip: { sets, maps: new Map(), chains: new Map() } };
    sampled.nft.ruleset = should;
    for (let looks = 0; looks < 150; looks++) await sampled.sampler.look(should);
    deepEqual(Object.keys(sampled.sampler.secondsAgo).sort(), ['bridge', 'ip', 'ip6']);
    equal(new Set(sampled.read).size, 1003);
    equal(sampled.read.length <= 150 * 8, true);
  });

  const foreign = new Map<string, (sampled: Sampled, table: Table) => Table>([
    [
      'an element that is gone',
      (sampled, table) => {
        const name = setOf(sampled, 'tuples4-');
        return withSet(table, name, [...table.sets.get(name)!.elements].slice(1));
      },
    ],
    [
      'an element too many',
      (sampled, table) => {
        const name = setOf(sampled, 'tuples4-');
        return withSet(table, name, [...table.sets.get(name)!.elements, '203.0.113.7 . tcp . 80']);
      },
    ],
    [
      'another verdict of a map',
      (_, table) => {
        const map = table.maps.get('ingress4')!;
        const elements = new Map(Array.from(map.elements, ([key]) => [key, { kind: 'accept' } as const]));
        return { ...table, maps: new Map([...table.maps, ['ingress4', { ...map, elements }]]) };
      },
    ],
    [
      'a chain without rules',
      (_, table) => {
        const chain = table.chains.get('deny-ingress')!;
        return { ...table, chains: new Map([...table.chains, [chain.name, { ...chain, rules: [] }]]) };
      },
    ],
    [
      'a set of another program',
      (_, table) => {
        const set: NftSet = { name: 'theirs', key: ['ipv4_addr'], interval: false, elements: new Set() };
        return { ...table, sets: new Map([...table.sets, [set.name, set]]) };
      },
    ],
  ]);
  for (const [what, change] of foreign) {
    it(`finds ${what}, without any report of it, and the agent restores the table`, async () => {
      const sampled = await start();
      const before = sampled.nft.ruleset;
      await sampled.round();
      equal(sampled.agent.drifts.length, 0);
      changed(sampled, (table) => change(sampled, table));
      await sampled.agent.reconciler.verify();
      equal(sampled.agent.drifts.length, 0, 'the drift watch sees it already');
      await sampled.round();
      deepEqual(sampled.agent.drifts, ['ip']);
      equal(sampled.differences.length, 1);
      deepEqual(sampled.nft.ruleset, before);
    });
  }

  it('says of no table with a difference that it was compared, until it was again', async () => {
    const sampled = await start();
    await sampled.round();
    sampled.sampler.drifted('ip');
    deepEqual(Object.keys(sampled.sampler.secondsAgo).sort(), ['bridge', 'ip6']);
    await sampled.round();
    deepEqual(Object.keys(sampled.sampler.secondsAgo).sort(), ['bridge', 'ip', 'ip6']);
  });

  it('takes no part that cannot be read, or that changes, for one that is as written', async () => {
    const sampled = await start();
    const name = setOf(sampled, 'tuples4-');
    sampled.broken.add(`ip ${name}`);
    await sampled.round();
    deepEqual(Object.keys(sampled.sampler.secondsAgo).sort(), ['bridge', 'ip6']);
    deepEqual([sampled.failures, sampled.agent.failures.length], [1, 0]);
    sampled.broken.clear();
    sampled.changing = name;
    await sampled.round();
    deepEqual(Object.keys(sampled.sampler.secondsAgo).sort(), ['bridge', 'ip6']);
    sampled.changing = undefined;
    await sampled.round();
    deepEqual(Object.keys(sampled.sampler.secondsAgo).sort(), ['bridge', 'ip', 'ip6']);
  });

  it('compares the rest of the tables while a part cannot be read, and warns after three rounds', async () => {
    for (const broken of [true, false]) {
      const sampled = await start();
      const name = setOf(sampled, 'tuples4-');
      if (broken) sampled.broken.add(`ip ${name}`);
      else sampled.changing = name;
      for (let rounds = 0; rounds < 3; rounds++) await sampled.round();
      const { bridge, ip, ip6 } = sampled.sampler.secondsAgo;
      deepEqual([ip, bridge! <= 600, ip6! <= 600], [undefined, true, true]);
      deepEqual(sampled.unproven, [`ip ${name} 3`]);
      // Something else is found in the table all the same.
      changed(sampled, (table) => ({ ...table, chains: new Map([...table.chains].slice(1)) }));
      await sampled.round();
      deepEqual(sampled.agent.drifts, ['ip']);
    }
  });

  it('finds a difference in a part that shares its look with one that cannot be read', async () => {
    const sampled = await start();
    const sets = new Map<string, NftSet>(
      Array.from({ length: 1000 }, (_, index): [string, NftSet] => {
        const name = `p${index}`;
        return [name, { name, key: ['ipv4_addr'], interval: false, elements: new Set() }];
      }),
    );
    const should: Ruleset = { ip: { sets, maps: new Map(), chains: new Map() } };
    const drifted = new Map([...sets, ['p501', { ...sets.get('p501')!, elements: new Set(['203.0.113.7']) }]]);
    sampled.nft.ruleset = { ip: { sets: drifted, maps: new Map(), chains: new Map() } };
    sampled.broken.add('ip p500');
    for (let looks = 0; looks < 170; looks++) await sampled.sampler.look(should);
    deepEqual(sampled.differences, ['ip p501']);
  });

  it('asks less and less often for a read that finds nothing, and at once again after drift', async () => {
    const sampled = await start();
    const { sampler, clock } = sampled;
    const should = sampled.nft.ruleset!;
    changed(sampled, (table) => withSet(table, setOf(sampled, 'tuples4-'), []));
    const reads: number[] = [];
    const look = async (): Promise<void> => {
      if (!(await sampler.look(should))) reads.push(clock.now() / 1000);
      clock.advance(2000);
    };
    while (clock.now() < 12 * 3_600_000) await look();
    // One at most in a round of 280 s.
    equal(reads.length < 12 * 14 && reads.length > 12 * 10, true, `${reads.length} reads`);
    sampler.drifted('ip');
    const before = clock.now() / 1000;
    while (reads.at(-1)! < before) await look();
    equal(reads.at(-1)! - before <= 300, true);
  });

  it('goes on when the agent writes meanwhile', async () => {
    const sampled = await start();
    for (let clients = 4; clients < 20; clients++) {
      await sampled.agent.reconciler.compare(sampled.sampler.look);
      sampled.agent.upsert(...cluster(clients));
      await sampled.agent.idle();
    }
    await sampled.round();
    deepEqual([sampled.differences, sampled.agent.drifts], [[], []]);
  });

  it('does nothing while the agent has not written anything, or knows nothing of the kernel', async () => {
    const sampled = new Sampled();
    await sampled.agent.reconciler.compare(sampled.sampler.look);
    equal(sampled.read.length, 0);
  });
});
