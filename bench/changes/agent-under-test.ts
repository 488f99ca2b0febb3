import { inspect } from 'node:util';
import { ConnectionFlusher } from '../../src/agent/connection-flusher.ts';
import { createFlushConnections } from '../../src/apply/flush-connections.ts';
import { openNftSession } from '../../src/apply/nft-session.ts';
import { createNft } from '../../src/apply/nft.ts';
import { ObjectVersions } from '../../src/agent/object-versions.ts';
import { systemClock } from '../../src/agent/clock.ts';
import { nftKernelTables } from '../../src/agent/kernel-tables.ts';
import { createEventDispatcher } from '../../src/agent/event-dispatcher.ts';
import { Reconciler, type AppliedRun } from '../../src/agent/reconciler.ts';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { splitLines } from '../../src/watch/json-lines.ts';
import { upsert } from '../cluster/events.ts';
import { processorTime } from '../processor.ts';
import { monotonic, type Applied, type Reply, type Request } from './protocol.ts';

/**
 * The measured process: the agent from watch events to the kernel. It reads the events from stdin. Run it in the network namespace of its
 * node, with --expose-gc and the node's name as argument.
 */
const [nodeName = ''] = process.argv.slice(2);
const pipeline = new Pipeline(nodeName);
const versions = new ObjectVersions();
const processes = createNft();
const kernel = openNftSession(processes);

/** Number of events before those in `seen`, and number of events in the current run. */
let before = 0;
let seen: number[] = [];
let takenIn = 0;
let lastSeen = 0;
let appliedAt = 0;
let isLoaded = false;

const signal = new AbortController().signal;
const reconciler = new Reconciler({
  pipeline,
  kernel: nftKernelTables(kernel),
  clock: systemClock,
  signal,
  connections: new ConnectionFlusher({
    flush: createFlushConnections(),
    clock: systemClock,
    tell(fact) {
      pipeline.receive(fact);
      reconciler.changed();
    },
    flushed({ error }) {
      if (error !== undefined) fail(error);
    },
    signal,
  }),
  version() {
    takenIn = seen.length;
    return versions.version;
  },
  events: {
    applied,
    stageDone() {},
    adopted() {},
    accepted() {},
    drifted: (family) => fail(new Error(`another program has changed table ${family} postern`)),
    refused: (_policy, error) => fail(error),
    failed: fail,
  },
});

function applied({ plan }: AppliedRun): void {
  appliedAt = monotonic();
  if (plan.stages.length > 0) {
    const stages = plan.stages.map(({ name, operations }) => {
      const deletesElements = operations.some(({ verb }) => verb === 'delete elements');
      const script = isLoaded ? { script: renderScript(operations) } : {};
      return { name, deletesElements, operations: operations.length, ...script };
    });
    const run: Applied = { before, seen: isLoaded ? seen.slice(0, takenIn) : [], stages };
    reply({ applied: run });
  }
  before += takenIn;
  seen = seen.slice(takenIn);
  isLoaded = true;
}

const take = createEventDispatcher({
  pipeline,
  // No saved state, and no fetched pods.
  source: { receive: () => reconciler.changed() },
  fetcher: { receive() {}, want() {} },
});

function receive(event: ResourceEvent | NodeFact): void {
  lastSeen = monotonic();
  seen.push(lastSeen);
  if ('resource' in event) versions.receive(event);
  take(event);
}

function eventOf(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: object): ResourceEvent {
  const event = upsert(object);
  return type === 'DELETED' && event.op === 'upsert'
    ? { op: 'remove', resource: event.resource, key: event.key }
    : event;
}

async function handle(request: Request): Promise<void> {
  if ('type' in request) return receive(eventOf(request.type, request.object));
  if ('fact' in request) return receive(request.fact);
  if ('synced' in request) return receive({ op: 'synced', resource: request.synced });
  if ('run' in request) {
    const ran = monotonic();
    await (request.apart ? processes : kernel).run(request.run, { check: false, signal });
    return reply({ ran });
  }
  switch (request.ask) {
    case 'settled':
      await reconciler.idle();
      return reply({ settled: { seen: lastSeen, applied: appliedAt } });
    case 'groups':
      return reply({ groups: [...pipeline.snapshot.groups.values()].map(({ members }) => [...members.keys()]) });
    case 'processor': {
      const { own: ownMs, children: childrenMs } = processorTime(process.pid);
      return reply({ processor: { ownMs, childrenMs } });
    }
    case 'memory': {
      // Twice: the second collection frees what finalizers of the first released.
      for (let i = 0; i < 2; i++) globalThis.gc!();
      const { rss, heapUsed } = process.memoryUsage();
      return reply({ memory: { residentBytes: rss, heapBytes: heapUsed } });
    }
  }
}

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function fail(error: unknown): void {
  process.stderr.write(`${inspect(error)}\n`);
  process.exit(1);
}

for await (const line of splitLines(process.stdin)) await handle(JSON.parse(line) as Request);
kernel.close();
