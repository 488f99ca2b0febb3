import type { Flow, FlowState } from '../../src/lab/flow.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { families, type Family } from '../../src/model/address.ts';
import { eventually } from '../../test/kernel/eventually.ts';
import { Tap } from '../../test/kernel/tap.ts';
import { forbiddenTaps, guarded, ports } from './cast.ts';
import { Connector } from './connector.ts';
import type { Share } from './result.ts';

/** Packets per second of one flow. */
const rate = 100;
/** Milliseconds; many times the time between two packets. */
const longGap = 500;
const clients = ['peers/near', 'peers/far'] as const;
const deniedPeers = ['others/denied-near', 'others/denied-far'] as const;

interface FlowPlan {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly family: Family;
}

const everyFamily = (from: string, to: string, port: number): FlowPlan[] =>
  families.map((family) => ({ from, to, port, family }));
const fromPeers = (port: number): FlowPlan[] =>
  guarded.flatMap((to) => clients.flatMap((from) => everyFamily(from, to, port)));

const allowedPlan: readonly FlowPlan[] = [
  ...fromPeers(ports.allowed),
  ...guarded.flatMap((from) => clients.flatMap((to) => everyFamily(from, to, ports.allowed))),
  { from: 'node/n1', to: 'x/p', port: ports.allowed, family: 'ipv4' },
];
const forbiddenPlan: readonly FlowPlan[] = [
  ...fromPeers(ports.forbidden),
  ...guarded.flatMap((to) => deniedPeers.flatMap((from) => everyFamily(from, to, ports.allowed))),
  ...guarded.flatMap((from) => deniedPeers.flatMap((to) => everyFamily(from, to, ports.allowed))),
];

/**
 * UDP flows and TCP connections, allowed and forbidden, on one node and between nodes, in both families. A tap counts forbidden packets to a
 * guarded pod before the pod's own namespace can drop them.
 */
export class Traffic {
  readonly #lab: Lab;
  readonly #taps: ReadonlyMap<string, Tap>;
  readonly #allowed: readonly Flow[];
  readonly #forbidden: readonly Flow[];
  readonly #toggled: readonly Flow[];
  readonly #streams: readonly Flow[];
  readonly #connecting: readonly Connector[];
  readonly #forbiddenConnectors: readonly Connector[];
  readonly #before: { readonly through: number; readonly timeouts: number };

  private constructor(fields: {
    lab: Lab;
    taps: ReadonlyMap<string, Tap>;
    allowed: readonly Flow[];
    forbidden: readonly Flow[];
    toggled: readonly Flow[];
    streams: readonly Flow[];
    before: { readonly through: number; readonly timeouts: number };
  }) {
    this.#lab = fields.lab;
    this.#taps = fields.taps;
    this.#allowed = fields.allowed;
    this.#forbidden = fields.forbidden;
    this.#toggled = fields.toggled;
    this.#streams = fields.streams;
    this.#before = fields.before;
    const connect = (from: string, deadlineMs: number): Connector =>
      new Connector(this.#lab, from, guarded, { port: ports.connect, deadlineMs });
    // Long, because a lost packet is counted as a timeout of TCP. Short for packets that must not arrive.
    this.#connecting = clients.map((from) => connect(from, 30_000));
    this.#forbiddenConnectors = deniedPeers.map((from) => connect(from, 100));
  }

  static async start(lab: Lab, taps: ReadonlyMap<string, Tap>): Promise<Traffic> {
    const open = (plan: readonly FlowPlan[], protocol: 'UDP' | 'TCP', rate: number): Promise<Flow[]> =>
      Promise.all(plan.map(({ from, to, ...flow }) => lab.openFlow(from, to, { ...flow, protocol, rate })));
    const before = { through: await countThrough(taps), timeouts: await countTimeouts(lab) };
    const traffic = new Traffic({
      lab,
      taps,
      before,
      streams: await open(fromPeers(ports.allowed), 'TCP', 20),
      allowed: await open(allowedPlan, 'UDP', rate),
      forbidden: await open(forbiddenPlan, 'UDP', rate),
      toggled: await open(fromPeers(ports.toggled), 'UDP', rate / 2),
    });
    await traffic.goesOn();
    return traffic;
  }

  /** Waits until every allowed flow has received, and every forbidden flow has sent, some more packets. */
  async goesOn(packets = 20): Promise<void> {
    const before = await statesOf([...this.#allowed, ...this.#streams, ...this.#forbidden]);
    await eventually(async () => {
      const now = await statesOf([...this.#allowed, ...this.#streams, ...this.#forbidden]);
      const isAllowed = (index: number): boolean => index < this.#allowed.length + this.#streams.length;
      const stuck = now.filter(({ client, server }, index) => {
        const was = before[index]!;
        if (client.sent < was.client.sent + packets) return true;
        return isAllowed(index) && server.received < was.server.received + packets;
      });
      return stuck.length === 0 ? undefined : `${stuck.length} of ${now.length} flows do not go on`;
    });
  }

  /** Waits until packets of every flow arrive and every tap counts. */
  async everythingArrives(): Promise<void> {
    const flows = [...this.#allowed, ...this.#streams, ...this.#forbidden, ...this.#toggled];
    await eventually(async () => {
      const silent = (await statesOf(flows)).filter(({ server }) => server.received === 0).length;
      const unseen = (await this.#tapCounts()).flatMap((counts) =>
        Object.keys(counts).filter((name) => counts[name] === 0),
      );
      if (silent === 0 && unseen.length === 0) return undefined;
      return `without policies, ${silent} flows and what ${unseen.join(', ')} counts do not arrive`;
    });
  }

  /** Waits until all toggled flows arrive. Resolves to that time. */
  async toggledArrive(): Promise<number> {
    const before = await statesOf(this.#toggled);
    await eventually(async () => {
      const now = await statesOf(this.#toggled);
      const stuck = now.filter(({ server }, index) => server.received <= before[index]!.server.received);
      return stuck.length === 0 ? undefined : `${stuck.length} flows that a change allows do not arrive`;
    });
    return performance.now();
  }

  /** Waits until no toggled flow arrives. Resolves to the time of the last packet. */
  async toggledEnd(): Promise<number> {
    let idle = 0;
    await eventually(async () => {
      const now = await statesOf(this.#toggled);
      idle = Math.min(...now.map(({ server }) => server.idleMs ?? Infinity));
      return idle > longGap ? undefined : 'flows that a change forbids still arrive';
    });
    return performance.now() - idle;
  }

  /** Sent packets of each toggled flow. */
  async toggledSent(): Promise<number[]> {
    return (await statesOf(this.#toggled)).map(({ client }) => client.sent);
  }

  /** Number of received packets after the first `sent` packets of each flow. */
  async toggledSince(sent: readonly number[]): Promise<number> {
    return sum((await statesOf(this.#toggled)).map(({ server }, index) => Math.max(0, server.highest - sent[index]!)));
  }

  /** Time of the last forbidden packet at any tap, on the clock of `performance.now`. */
  async lastForbidden(): Promise<number> {
    const states = await statesOf(this.#forbidden);
    return performance.now() - Math.min(...states.map(({ server }) => server.idleMs ?? Infinity));
  }

  /** Stops all flows and returns the counts. */
  async stop(): Promise<{ forbiddenThrough: Share; allowedLost: Share }> {
    const connectors = [...this.#connecting, ...this.#forbiddenConnectors];
    await Promise.all(connectors.map((connector) => connector.stop()));
    await Promise.all([...this.#allowed, ...this.#streams].map((flow) => flow.pause()));
    // Packets in flight may still arrive; all others are lost.
    await eventually(async () => ((await this.#countMissing()) === 0 ? undefined : 'lost'), 30).catch(() => {});
    const missing = await this.#countMissing();
    const timeouts = (await countTimeouts(this.#lab)) - this.#before.timeouts;
    const through = (await countThrough(this.#taps)) - this.#before.through;
    const [allowed, streams, forbidden] = [
      await statesOf(this.#allowed),
      await statesOf(this.#streams),
      await statesOf(this.#forbidden),
    ];
    const broken = streams.filter(({ client, server }) => client.closed !== null || server.closed !== null).length;
    const refused = sum(this.#connecting.map((each) => each.failed));
    const all = [this.#allowed, this.#streams, this.#forbidden, this.#toggled].flat();
    await Promise.all(all.map((flow) => flow.close()));
    const sent = (states: readonly FlowState[]): number => sum(states.map(({ client }) => client.sent));
    const tried = (each: readonly Connector[]): number => sum(each.map((connector) => connector.tried));
    const streamed = sum(streams.map(({ server }) => server.sent)) + sent(streams);
    return {
      forbiddenThrough: { bad: through, of: sent(forbidden) + tried(this.#forbiddenConnectors) },
      allowedLost: {
        bad: missing + broken + refused + timeouts,
        of: sent(allowed) + streamed + tried(this.#connecting),
      },
    };
  }

  async #countMissing(): Promise<number> {
    const udp = await statesOf(this.#allowed);
    const tcp = await statesOf(this.#streams);
    return (
      sum([...udp, ...tcp].map(({ client, server }) => client.sent - server.distinct)) +
      sum(tcp.map(({ client, server }) => server.sent - client.distinct))
    );
  }

  #tapCounts(): Promise<Record<string, number>[]> {
    return Promise.all(this.#taps.values().map((tap) => tap.counts()));
  }
}

/** One tap for each guarded pod. */
export async function openTaps(lab: Lab): Promise<ReadonlyMap<string, Tap>> {
  const matches = forbiddenTaps(lab);
  const opened = Object.entries(matches).map(async ([key, each]) => [key, await Tap.open(lab, key, each)] as const);
  return new Map(await Promise.all(opened));
}

async function countThrough(taps: ReadonlyMap<string, Tap>): Promise<number> {
  const counts = await Promise.all(taps.values().map((tap) => tap.counts()));
  return sum(counts.flatMap((each) => Object.values(each)));
}

/** Number of TCP retransmission timeouts. All TCP traffic of these pods is allowed. */
async function countTimeouts(lab: Lab): Promise<number> {
  const readings = clients.map(async (key) => {
    const text = await lab.exec(key, 'nstat', '-asz', 'TcpExtTCPTimeouts');
    return Number(/^TcpExtTCPTimeouts\s+([0-9]+)/m.exec(text)![1]);
  });
  return sum(await Promise.all(readings));
}

function statesOf(flows: readonly Flow[]): Promise<FlowState[]> {
  return Promise.all(flows.map((flow) => flow.state()));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
