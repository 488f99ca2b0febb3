import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it } from 'mocha';
import { FlowKeeper } from '../../../src/agent/flows/flow-keeper.ts';
import type { ConnectionReader } from '../../../src/apply/connection-reader.ts';
import type { FlowEnd } from '../../../src/flows/kept-flow.ts';
import { parseAddress } from '../../../src/model/address.ts';
import { trackedStatus, type TrackedConnection } from '../../../src/nftables/conntrack-dump.ts';
import { node, pod } from '../../support/objects.ts';
import { startPipeline } from '../../support/pipeline.ts';

const objects = [
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  pod('x/web-1', { node: 'n1', ips: ['10.1.0.2', 'fd01::2'], labels: { app: 'web', 'pod-template-hash': 'a' } }),
  pod('x/web-2', { node: 'n1', ips: ['10.1.0.3'], labels: { app: 'web', 'pod-template-hash': 'b' } }),
  pod('y/api', { node: 'n2', ips: ['10.2.0.2'], labels: { app: 'api' } }),
  pod('y/other', { node: 'n2', ips: ['10.2.0.3'], labels: { app: 'other' } }),
  // Two pods claim an address.
  pod('y/twin-1', { node: 'n2', ips: ['10.2.0.9'] }),
  pod('y/twin-2', { node: 'n2', ips: ['10.2.0.9'] }),
];
const web: FlowEnd = { kind: 'workload', namespace: 'x', labels: { app: 'web' } };
const api: FlowEnd = { kind: 'workload', namespace: 'y', labels: { app: 'api' } };
const { answered, assured } = trackedStatus;

let ids = 1;
function connection(from: string, to: string, more: Partial<TrackedConnection> = {}): TrackedConnection {
  const [source, destination] = [from, to].map((text): number | string => {
    const { family, value } = parseAddress(text)!;
    if (family === 'ipv4') return Number(value);
    const bytes = value.toString(16).padStart(32, '0').match(/../g)!;
    return bytes.map((byte) => String.fromCharCode(Number.parseInt(byte, 16))).join('');
  }) as [number | string, number | string];
  return { source, destination, protocol: 6, port: 80, status: answered | assured, id: ids++, ...more };
}

/** A keeper on n1. Each look reads the present connections, in parts of ten. Time passes only by `pause` and by reading. */
function start(partMs = 0) {
  const pipeline = startPipeline('n1', objects);
  const controller = new AbortController();
  const state = { connections: [] as TrackedConnection[], isInSync: true, failure: undefined as Error | undefined };
  const told: unknown[] = [];
  const pauses: number[] = [];
  let now = 600_000;
  let left: TrackedConnection[] = [];
  let looks = 0;
  let stopAfter = 0;
  const reader: ConnectionReader = {
    async begin() {
      if (state.failure) throw state.failure;
      left = [...state.connections];
      looks++;
    },
    readPart(into, visit) {
      now += partMs;
      for (const each of left.splice(0, 10)) {
        Object.assign(into, each);
        visit();
      }
      return left.length === 0;
    },
    close: () => told.push('closed'),
  };
  const keeper = new FlowKeeper({
    node: 'n1',
    reader,
    ownersOf: () => (state.isInSync ? (address) => pipeline.ownersOf(address) : undefined),
    ownAddresses: () => new Set(['10.1.0.1']),
    now: () => now,
    date: () => now,
    async pause(milliseconds) {
      pauses.push(milliseconds);
      now += milliseconds;
      if (looks >= stopAfter && left.length === 0) controller.abort();
    },
    failed: (error) => told.push(error),
    signal: controller.signal,
  });
  return {
    ...{ keeper, state, told, pauses },
    /** Runs for so many looks; only once. */
    look: async (count = 1) => {
      stopAfter = count;
      await keeper.run();
      return keeper.history();
    },
  };
}

describe('keeping flows', () => {
  it('enters connections of pods of this node, by workload, place and verdict', async () => {
    const { look, state } = start();
    state.connections = [
      connection('10.1.0.2', '10.2.0.2'),
      connection('10.1.0.3', '10.2.0.2'),
      connection('10.2.0.2', '10.1.0.2', { port: 8080 }),
      connection('10.1.0.2', '10.1.0.3', { port: 8080 }),
      // Refused, or not answered yet.
      connection('10.1.0.2', '10.2.0.2', { port: 81, status: answered }),
      connection('10.1.0.2', '203.0.113.9', { protocol: 17, port: 53, status: answered }),
      connection('fd01::2', '2001:db8::9', { protocol: 58, port: 0, status: 0 }),
      // The own node, by an address that its Node object does not list, and another node.
      connection('10.1.0.1', '10.1.0.2'),
      connection('192.0.2.1', '10.1.0.2'),
      connection('192.0.2.2', '10.1.0.2'),
      connection('10.1.0.2', '10.2.0.9'),
      // Of other nodes, and of a protocol that no policy knows.
      connection('10.2.0.2', '10.2.0.3'),
      connection('203.0.113.9', '10.2.0.3'),
      connection('10.1.0.2', '10.2.0.2', { protocol: 47 }),
    ];
    const { flows, look: last, now, since } = await look();
    deepEqual(
      flows.map(({ from, to, local, protocol, port, verdict, minutes }) => [
        from,
        to,
        local,
        protocol,
        port,
        verdict,
        minutes[0]![1],
      ]),
      [
        [web, api, 'source', 'TCP', 80, 'allowed', 2],
        [api, web, 'destination', 'TCP', 8080, 'allowed', 1],
        [web, web, 'both', 'TCP', 8080, 'allowed', 1],
        [web, api, 'source', 'TCP', 81, 'unanswered', 1],
        [web, { kind: 'block', cidr: '203.0.113.9/32' }, 'source', 'UDP', 53, 'allowed', 1],
        [web, { kind: 'block', cidr: '2001:db8::9/128' }, 'source', 'ICMP', undefined, 'unanswered', 1],
        [{ kind: 'own-node' }, web, 'destination', 'TCP', 80, 'allowed', 2],
        [{ kind: 'node', name: 'n2' }, web, 'destination', 'TCP', 80, 'allowed', 1],
        [web, { kind: 'others' }, 'source', 'TCP', 80, 'allowed', 1],
      ],
    );
    deepEqual([last, now, since], [{ seconds: 0, connections: 14 }, 10, 10]);
  });

  it('counts a connection once, however often a look meets it, and as answered when it is', async () => {
    const { look, state, keeper } = start();
    const [open, slow] = [connection('10.1.0.2', '10.2.0.2'), connection('10.1.0.2', '10.2.0.2', { status: 0 })];
    state.connections = [open, slow];
    const looked = look(3);
    await Promise.resolve();
    slow.status = answered | assured;
    await looked;
    const counts = keeper.history().flows.map(({ verdict, minutes }) => [verdict, minutes.map(([, count]) => count)]);
    ok(counts.length <= 2);
    deepEqual(
      counts.find(([verdict]) => verdict === 'allowed'),
      ['allowed', [2]],
    );
  });

  it('reads for 2 ms at most in each 100 ms, however long the table is', async () => {
    // Each part takes 1 ms.
    const { keeper, look, state, pauses } = start(1);
    state.connections = Array.from({ length: 500 }, () => connection('10.1.0.2', '10.2.0.2'));
    const { flows, look: last } = await look();
    equal(
      flows[0]!.minutes.reduce((sum, [, count]) => sum + count, 0),
      500,
    );
    // 50 parts, two in each slice.
    deepEqual(
      pauses.slice(0, -1),
      Array.from({ length: 24 }, () => 98),
    );
    equal(last?.connections, 500);
    deepEqual(pauses.at(-1), 5_000 - 24 * 98 - 50);
    const counted = { own: 500, block: 0, ports: 0, others: 0, namespace: 0 };
    deepEqual(keeper.figures, { rows: 1, counted, isFailing: false, look: { seconds: 2.4, connections: 500 } });
  });

  it('rests 49 times as long as it read, 245 ms at most', async () => {
    for (const [partMs, pauseMs] of [
      [3, 147],
      [30, 245],
    ] as const) {
      const { look, state, pauses } = start(partMs);
      state.connections = Array.from({ length: 50 }, () => connection('10.1.0.2', '10.2.0.2'));
      await look();
      deepEqual(pauses.slice(0, -1), [pauseMs, pauseMs, pauseMs, pauseMs]);
    }
  });

  it('keeps nothing until it knows the cluster', async () => {
    const { keeper, state } = start();
    state.isInSync = false;
    keeper.denied([
      {
        direction: 'egress',
        family: 'ipv4',
        source: '10.1.0.2',
        destination: '10.2.0.2',
        protocol: 'tcp',
        port: 80,
        packets: 1,
        secondsAgo: 0,
      },
    ]);
    deepEqual(keeper.history().flows, []);
  });

  it('enters denials, with protocols as nft prints them', () => {
    const { keeper } = start();
    const denial = {
      direction: 'egress',
      family: 'ipv4',
      source: '10.1.0.2',
      destination: '10.2.0.2',
      packets: 7,
      secondsAgo: 0,
    } as const;
    keeper.denied([
      { ...denial, protocol: 'tcp', port: 80 },
      { ...denial, protocol: 'tcp', port: 80 },
      { ...denial, protocol: '1' },
      { ...denial, protocol: '47' },
    ]);
    deepEqual(
      keeper
        .history()
        .flows.map(({ from, to, protocol, port, verdict, minutes }) => [
          from,
          to,
          protocol,
          port,
          verdict,
          minutes[0]![1],
        ]),
      [
        [web, api, 'TCP', 80, 'denied', 2],
        [web, api, 'ICMP', undefined, 'denied', 1],
      ],
    );
  });

  it('tells of a failure once, and tries again after a minute', async () => {
    const { look, keeper, state, told, pauses } = start();
    state.failure = new Error('the kernel refused to list connections: error 1');
    pauses.push = (...values) => {
      if (pauses.length === 1) {
        equal(keeper.figures.isFailing, true);
        state.failure = undefined;
      }
      return Array.prototype.push.apply(pauses, values);
    };
    await look();
    match(String(told[0]), /the kernel refused/);
    equal(told.filter((each) => each instanceof Error).length, 1);
    deepEqual([...pauses], [60_000, 60_000, 5_000]);
    equal(keeper.history().failing, undefined);
    equal(keeper.figures.isFailing, false);
  });

  describe('for a question', () => {
    /** A keeper that rests between looks until somebody asks. `late` are the pauses that the test ends itself. */
    const ask = () => {
      const controller = new AbortController();
      const late: { readonly milliseconds: number; readonly end: () => void }[] = [];
      const state = {
        connections: [] as TrackedConnection[],
        looks: 0,
        isInSync: true,
        /** A look reads when it has resolved. */
        begun: Promise.resolve(),
      };
      const pipeline = startPipeline('n1', objects);
      const keeper = new FlowKeeper({
        node: 'n1',
        reader: {
          async begin() {
            state.looks++;
            await state.begun;
          },
          readPart(into, visit) {
            for (const each of state.connections) {
              Object.assign(into, each);
              visit();
            }
            return true;
          },
          close() {},
        },
        ownersOf: () => (state.isInSync ? (address) => pipeline.ownersOf(address) : undefined),
        ownAddresses: () => new Set(),
        now: () => state.looks * 10,
        date: () => 600_000,
        pause: (milliseconds) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          late.push({ milliseconds, end: resolve });
          controller.signal.addEventListener('abort', () => resolve());
          return promise;
        },
        failed: () => {},
        signal: controller.signal,
      });
      const running = keeper.run();
      const turns = async (isReached: () => boolean): Promise<void> => {
        for (let turn = 0; !isReached(); turn++) {
          ok(turn < 1000, 'it does not come');
          await setImmediate();
        }
      };
      const find = (milliseconds: number): number => late.findIndex((each) => each.milliseconds === milliseconds);
      const endPause = async (milliseconds: number): Promise<void> => {
        await turns(() => find(milliseconds) >= 0);
        late.splice(find(milliseconds), 1)[0]!.end();
      };
      return {
        keeper,
        state,
        endPause,
        turns,
        rests: () => turns(() => find(5000) >= 0 || find(4990) >= 0),
        end: () => (controller.abort(), running),
      };
    };

    it('looks anew, although it rests, and answers with what it has seen then', async () => {
      const { keeper, state, endPause, rests, end } = ask();
      await rests();
      state.connections = [connection('10.1.0.2', '10.2.0.2')];
      const answer = keeper.latest();
      // The beginning of a look takes 10 ms by this clock, of which 5 ms count.
      const owedMs = 49 * 5;
      await endPause(owedMs);
      equal((await answer).flows.length, 1);
      equal(state.looks, 2);
      const [one, two] = [keeper.latest(), keeper.latest()];
      await endPause(owedMs);
      await Promise.all([one, two]);
      equal(state.looks, 3);
      await end();
    });

    it('answers with what it has after a second', async () => {
      const { keeper, state, endPause, rests, end } = ask();
      await rests();
      state.connections = [connection('10.1.0.2', '10.2.0.2')];
      const answer = keeper.latest();
      await endPause(1000);
      equal((await answer).flows.length, 0);
      equal(state.looks, 1);
      await end();
    });

    it('during a look waits for the next one', async () => {
      const { keeper, state, endPause, rests, turns, end } = ask();
      await rests();
      const reading = Promise.withResolvers<void>();
      state.begun = reading.promise;
      const first = keeper.latest();
      await endPause(49 * 5);
      await turns(() => state.looks === 2);
      let isAnswered = false;
      const second = keeper.latest().then((history) => {
        isAnswered = true;
        return history;
      });
      reading.resolve();
      await first;
      await setImmediate();
      equal(isAnswered, false);
      state.connections = [connection('10.1.0.2', '10.2.0.2')];
      await endPause(49 * 5);
      equal((await second).flows.length, 1);
      equal(state.looks, 3);
      await end();
    });

    it('is answered when a look fails, and then at once', async () => {
      const { keeper, state, endPause, rests, end } = ask();
      await rests();
      state.begun = Promise.reject(new Error('no answer of the kernel'));
      const answer = keeper.latest();
      await endPause(49 * 5);
      match((await answer).failing!, /no answer of the kernel/);
      match((await keeper.latest()).failing!, /no answer of the kernel/);
      equal(state.looks, 2);
      await end();
    });

    it('is answered at once before the agent knows the cluster, and starts no look', async () => {
      const { keeper, state, rests, end } = ask();
      await rests();
      state.isInSync = false;
      deepEqual((await keeper.latest()).flows, []);
      equal(state.looks, 1);
      await end();
    });

    it('is answered when the agent ends', async () => {
      const { keeper, state, rests, end } = ask();
      await rests();
      const answer = keeper.latest();
      await end();
      deepEqual((await answer).flows, []);
      equal(state.looks, 1);
    });
  });
});
