import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { resolveEndpoint } from '../../src/evaluator/evaluator.ts';
import { familyOf } from '../../src/model/address.ts';
import { keyOf, resourceOf, type ApiObject } from '../support/pipeline.ts';
import { orderNames, ordersFolder, readOrder, type FactLine, type ListLine, type WatchLine } from './order.ts';
import { addressesOf, outside, WatchedCluster } from './watched-cluster.ts';
import { runs } from '../support/runs.ts';

/** Lists, and then what is told until the next ones. */
interface Chapter {
  readonly lists: readonly ListLine[];
  readonly lines: readonly (WatchLine | FactLine)[];
}

const rewrite = process.env['UPDATE_ORDERS'] === '1';
const permutationsPerOrder = runs(12);

/**
 * orders/NAME.jsonl (what the watches of a real API server said) -> NAME.txt: who has the addresses that the story is about after each
 * line, and whom they reach on TCP/8080. After each line, the packet trace of both nodes' rule sets must say what the evaluator says
 * of the objects as they stand, and no stage on the way there may open what neither end of it opens (S7.1, S7.3).
 */
describe('recorded orders of events', function () {
  this.timeout(0);
  const totals = { packets: 0, stages: 0, flips: 0 };

  for (const name of orderNames()) {
    const chapters = readChapters(name);
    const addresses = addressesIn(chapters);
    const movers = storyAddresses(chapters);

    it(`${name}: as recorded`, async () => {
      const cluster = new WatchedCluster(addresses);
      const text: string[] = [];
      const seen = new Map<string, string>();
      const note = (title: string): void => {
        text.push(title);
        for (const address of movers) {
          const reach = describeReach(cluster, address);
          if (seen.get(address) !== reach) text.push(`    ${address} ${reach}`);
          seen.set(address, reach);
        }
      };
      try {
        for (const { lists, lines } of chapters) {
          await cluster.list(lists);
          note('listed');
          for (const line of lines) {
            await cluster.tell(line);
            note(describeLine(line));
          }
        }
        cluster.end();
      } finally {
        await cluster.close();
      }
      const file = join(ordersFolder, `${name}.txt`);
      if (rewrite) writeFileSync(file, `${text.join('\n')}\n`);
      assert.equal(`${text.join('\n')}\n`, readFileSync(file, 'utf8'));
      totals.packets += cluster.counts.packets;
      totals.stages += cluster.counts.stages;
      totals.flips += cluster.counts.flips;
    });

    it(`${name}: in ${permutationsPerOrder} other orders that can happen, some of it unseen`, async () => {
      const choices = fc.array(fc.nat(), { minLength: 40, maxLength: 40 });
      const gaps = fc.record({ first: fc.nat(), length: fc.integer({ min: 0, max: 4 }) });
      await fc.assert(
        fc.asyncProperty(choices, gaps, async (choices, gap) => {
          const cluster = new WatchedCluster(addresses, movers);
          try {
            for (const { lists, lines } of chapters) {
              await cluster.list(lists);
              const order = interleave(lines, choices);
              const first = order.length === 0 ? 0 : gap.first % order.length;
              for (const line of order.slice(0, first)) await cluster.tell(line);
              const unseen = order.slice(first, first + gap.length);
              for (const fact of unseen.filter(isFact)) await cluster.tell(fact);
              const missed = Map.groupBy(
                unseen.filter((line) => !isFact(line)),
                ({ object }) => resourceOf(object),
              );
              for (const [resource, lines] of missed) await cluster.miss(lines, resource);
              for (const line of order.slice(first + gap.length)) await cluster.tell(line);
            }
            cluster.end();
          } finally {
            await cluster.close();
          }
        }),
        { numRuns: permutationsPerOrder },
      );
    });
  }

  it('met packets, stages and changed verdicts enough to say so', () => {
    const told = JSON.stringify(totals);
    assert.ok(totals.packets > 20_000 && totals.stages > 60 && totals.flips > 500, told);
  });
});

/** What one object or sandbox goes through keeps its order; else anything may come before anything. */
function interleave<T extends WatchLine | FactLine>(lines: readonly T[], choices: readonly number[]): T[] {
  const queues = [...Map.groupBy(lines, subjectOf).values()].map((queue) => [...queue]);
  const order: T[] = [];
  while (order.length < lines.length) {
    const waiting = queues.filter((queue) => queue.length > 0);
    order.push(waiting[choices[order.length % choices.length]! % waiting.length]!.shift()!);
  }
  return order;
}

/** A pod that is asked for is answered by the server that the watch is of. */
function subjectOf(line: WatchLine | FactLine): string {
  if (!isFact(line)) return `${line.object.kind} ${keyOf(line.object)}`;
  const { fact, node } = line;
  if (fact.op === 'fetched') return `Pod ${fact.key}`;
  return `${node} ${fact.op} ${fact.op === 'sandbox' ? fact.id : ''}`;
}

function isFact(line: WatchLine | FactLine): line is FactLine {
  return line.type === 'FACT';
}

function readChapters(name: string): Chapter[] {
  const chapters: { lists: ListLine[]; lines: (WatchLine | FactLine)[] }[] = [];
  for (const line of readOrder(name)) {
    const last = chapters.at(-1);
    if (line.type !== 'LIST') last!.lines.push(line);
    else if (!last || last.lines.length > 0) chapters.push({ lists: [line], lines: [] });
    else last.lists.push(line);
  }
  return chapters;
}

function objectsOf({ lists, lines }: Chapter): ApiObject[] {
  const told = lines.flatMap((line) => (isFact(line) ? [] : [line.object]));
  return [...lists.flatMap(({ object }) => object.items), ...told];
}

function sandboxAddressesOf({ lines }: Chapter): readonly string[] {
  const facts = lines.filter(isFact).map(({ fact }) => fact);
  return facts.flatMap((fact) => (fact.op === 'sandbox' ? (fact.value?.addresses ?? []) : []));
}

function addressesIn(chapters: readonly Chapter[]): string[] {
  const ofObjects = chapters.flatMap(objectsOf).flatMap(addressesOf);
  return [...new Set([...ofObjects, ...chapters.flatMap(sandboxAddressesOf), ...outside])].sort();
}

/** Those that nobody has from the start, or that change hands. */
function storyAddresses(chapters: readonly Chapter[]): string[] {
  const pods = chapters.flatMap(objectsOf).filter(({ kind }) => kind === 'Pod');
  const first = new Set(chapters[0]!.lists.flatMap(({ object }) => object.items).map(keyOf));
  const ofPods = pods.filter((pod) => !first.has(keyOf(pod))).flatMap(addressesOf);
  return [...new Set([...ofPods, ...chapters.flatMap(sandboxAddressesOf)])].sort();
}

/** One of each sort of neighbours. */
const neighbours: Readonly<Record<string, readonly string[]>> = {
  api: ['10.1.1.2', 'fd01:1::2'],
  web: ['10.1.2.3', 'fd01:2::3'],
  desk: ['10.1.2.4'],
  n1: ['192.0.2.1', 'fd00::1'],
  n2: ['192.0.2.2', 'fd00::2'],
  outside,
};

function describeReach(cluster: WatchedCluster, address: string): string {
  const family = familyOf(address);
  const views = cluster.views;
  const party = resolveEndpoint(views.real, { address }, family);
  assert.ok(typeof party !== 'string');
  const owner =
    party.claimants.length > 0
      ? party.claimants
          .map(({ key }) => key)
          .sort()
          .join(' or ')
      : party.name;
  if (owner === address) return "is nobody's";
  const reached = (from: boolean): string => {
    const names = Object.entries(neighbours).filter(([, addresses]) => {
      const other = addresses.find((each) => familyOf(each) === family);
      if (other === undefined || other === address) return false;
      const [source, destination] = from ? [other, address] : [address, other];
      const flow = { family, source, destination, protocol: 'tcp', sourcePort: 40_000, destinationPort: 8080 };
      return cluster.judge(views, flow) === true;
    });
    return names.length === 0 ? 'nobody' : names.map(([name]) => name).join(' ');
  };
  return `is of ${owner}: reaches ${reached(false)}; reached by ${reached(true)}`;
}

function describeLine(line: WatchLine | FactLine): string {
  if (isFact(line)) return describeFact(line);
  const { type, object } = line;
  const { kind, metadata } = object;
  const status = (object['status'] ?? {}) as { phase?: string };
  const words = [type, kind, keyOf(object)];
  if (kind === 'Pod') words.push(status.phase!, ...addressesOf(object));
  if (kind === 'Node') words.push(...addressesOf(object));
  const labels = Object.entries((metadata['labels'] ?? {}) as Record<string, string>);
  if (kind !== 'Node')
    words.push(...labels.filter(([key]) => !key.includes('/')).map(([key, value]) => `${key}=${value}`));
  if (metadata['deletionTimestamp'] !== undefined) words.push('leaving');
  return words.join(' ');
}

function describeFact({ node, fact }: FactLine): string {
  switch (fact.op) {
    case 'cache-complete':
      return `FACT ${node} keeps a record of its sandboxes`;
    case 'cache-readable':
      return `FACT ${node} can${fact.readable ? '' : 'not'} read this record`;
    case 'unflushed':
      return `FACT ${node} may have connections of earlier pods with ${fact.addresses.join(' ')}`;
    case 'fetched':
      return `FACT ${node} fetched ${fact.key}${fact.value ? '' : ': there is no such pod'}`;
    case 'sandbox': {
      if (!fact.value) return `FACT ${node} sandbox ${fact.id} has ended`;
      const { namespace, name, addresses, live } = fact.value;
      return `FACT ${node} sandbox ${fact.id} of ${namespace}/${name} ${addresses.join(' ')}${live ? '' : ' from before a reboot'}`;
    }
  }
}
