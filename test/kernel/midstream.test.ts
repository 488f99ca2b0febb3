import { randomBytes } from 'node:crypto';
import { it } from 'mocha';
import type { FlowStats, PodProcess } from '../../src/lab/pod-process.ts';
import { families, onEachCni } from './cluster.ts';
import type { Cluster, Family } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';

const peers = ['peers/near', 'peers/far'];
const rule = [{ peers: [pods({}, { team: 'peers' })], ports: [port('TCP/5000')] }];
const ingress = rule.map(({ peers, ports }) => ({ from: peers, ports }));
const egress = rule.map(({ peers, ports }) => ({ to: peers, ports }));

/** Who opens a connection to whom. The own node may open any (S5.1). */
const withPod = [
  ...peers.flatMap((peer) => [
    [peer, 'x/p'],
    ['x/p', peer],
  ]),
  ['node/n1', 'x/p'],
];
const withoutPod = [
  ['peers/near', 'others/stranger'],
  ['peers/far', 'peers/near'],
  ['node/n1', 'peers/near'],
];

onEachCni('TCP picked up in mid-stream (S5.18)', (cluster) => {
  for (const [isolation, directions] of Object.entries({ ingress: { ingress }, egress: { egress } })) {
    for (const first of ['client', 'server'] as const) {
      it(`is reset on both ends if a pod is isolated for ${isolation} and the ${first} speaks first; others go on`, async () => {
        await cluster().apply(policy('x', 'p', directions));
        const cut = await Promise.all(eachFamily(withPod).map((way) => Stream.open(cluster(), ...way)));
        const kept = await Promise.all(eachFamily(withoutPod).map((way) => Stream.open(cluster(), ...way)));
        await Promise.all(cut.map((stream) => stream.rest()));

        await cluster().lab.exec('node/n1', 'conntrack', '-F');
        const second = first === 'client' ? 'server' : 'client';
        for (const end of [first, second] as const) {
          await Promise.all(cut.map((stream) => stream.ends[end].resumeFlow(stream.id)));
          await eventually(async () => {
            for (const stream of cut) {
              const closed = (await stream.stats())[end]?.closed;
              if (closed !== 'ECONNRESET') return `${stream.name}: the ${end} is not reset but ${closed ?? 'open'}`;
            }
            return undefined;
          });
        }
        await Promise.all(kept.map((stream) => stream.goesOn()));
        const anew = await Promise.all(eachFamily(withPod).map((way) => Stream.open(cluster(), ...way)));
        await Promise.all([...anew, ...kept].map((stream) => stream.close()));
      });
    }
  }
});

function eachFamily(ways: readonly (readonly string[])[]): [from: string, to: string, family: Family][] {
  return ways.flatMap(([from, to]) => families.map((family): [string, string, Family] => [from!, to!, family]));
}

type Ends = Readonly<Record<'client' | 'server', PodProcess>>;

/** A TCP connection on which both ends talk, or one of them. */
class Stream {
  readonly id = randomBytes(6).toString('hex');
  readonly name: string;
  readonly ends: Ends;

  private constructor(name: string, ends: Ends) {
    this.name = name;
    this.ends = ends;
  }

  /** Returns once something has come to both ends. */
  static async open(cluster: Cluster, from: string, to: string, family: Family): Promise<Stream> {
    const [client, server] = [from, to].map((key) => cluster.lab.station(key).process) as [PodProcess, PodProcess];
    const stream = new Stream(`${from} → ${to} ${family}`, { client, server });
    const address = cluster.address(to, family);
    await client.openFlow(stream.id, { protocol: 'TCP', address, port: 5000, rate: 50 });
    await stream.goesOn();
    return stream;
  }

  /** The server knows nothing of a stream before its first record. */
  async stats(): Promise<{ client: FlowStats; server: FlowStats | undefined }> {
    const [client, server] = await Promise.all([
      this.ends.client.flowStats(this.id),
      this.ends.server.flowStats(this.id),
    ]);
    return { client: client.client!, server: server.server ?? undefined };
  }

  async goesOn(): Promise<void> {
    const before = await this.stats();
    await eventually(async () => {
      const { client, server } = await this.stats();
      const closed = client.closed ?? server?.closed;
      if (closed) return `${this.name} has ended: ${closed}`;
      const isFresh = (now?: FlowStats, was?: FlowStats): boolean => (now?.received ?? 0) >= (was?.received ?? 0) + 3;
      if (isFresh(client, before.client) && isFresh(server, before.server)) return undefined;
      return `${this.name} does not go on`;
    });
  }

  /** Both ends fall silent, with nothing on its way. */
  async rest(): Promise<void> {
    for (const end of Object.values(this.ends)) await end.pauseFlow(this.id);
    await eventually(async () => {
      const { client, server } = await this.stats();
      const rests = client.sent === server?.received && server.sent === client.received;
      return rests ? undefined : `${this.name} has something on its way`;
    });
  }

  async close(): Promise<void> {
    for (const end of Object.values(this.ends)) await end.closeFlow(this.id);
  }
}
