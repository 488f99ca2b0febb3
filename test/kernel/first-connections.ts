import assert from 'node:assert/strict';
import { once } from 'node:events';
import { execa } from 'execa';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { Lab, type LabOptions } from '../../src/lab/lab.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { objectKey, podKey } from '../../src/lab/pod-spec.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { pod } from '../lab/objects.ts';
import { settleMs } from '../support/time-factor.ts';
import { pods, policy, port } from './policies.ts';

/** What a pod sees of its first connection, to each peer. */
export interface FirstConnection {
  readonly key: string;
  /** From before the connection until it is open. */
  readonly milliseconds: readonly number[];
  readonly retransmittedSyns: number;
  /** From before CNI ADD until it has succeeded. */
  readonly addMilliseconds: number;
}

/** `near` lets only starters in, by their labels. `far` is on another node, whose agent learns of a starter too late, so no policy isolates it. */
const cast: readonly ApiObject[] = [
  pod('peers', 'near', ['TCP/80'], { nodeName: 'n1' }),
  pod('peers', 'far', ['TCP/80'], { nodeName: 'n2' }),
  policy('peers', 'starters', {
    pods: { pod: 'near' },
    ingress: [{ from: [pods({ role: 'starter' })], ports: [port('TCP/80')] }],
  }),
  policy('x', 'peers', { egress: [{ to: [pods({})], ports: [port('TCP/80')] }] }),
];

const counter = `
lines = [line.split() for line in open('/proc/self/net/netstat') if line.startswith('TcpExt:')]
print(dict(zip(*lines))['TCPSynRetrans'], end='')
`;

/** Says that it is there, waits for addresses, connects to each at once, and counts the SYNs that its network namespace has sent again. */
const program = `
import socket, sys, time
print('ready', flush=True)
took = []
for address in sys.stdin.readline().split():
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    start = time.monotonic()
    socket.create_connection((address, 80), timeout=70).close()
    took.append((time.monotonic() - start) * 1000)
${counter}
print('', *took)
`;

/** A lab in which each pod of `x` connects with its first instruction. */
export class FirstConnections {
  readonly lab: Lab;
  readonly #found: Map<string, Promise<FirstConnection>>;
  #count = 0;

  private constructor(lab: Lab, found: Map<string, Promise<FirstConnection>>) {
    this.lab = lab;
    this.#found = found;
  }

  static async open(options: LabOptions): Promise<FirstConnections> {
    const found = new Map<string, Promise<FirstConnection>>();
    const begun = new Map<string, { readonly connector: Connector; readonly at: number }>();
    const onSandbox = async (object: ApiObject, namespace: string): Promise<void> => {
      const key = podKey(object);
      if (!key.startsWith('x/')) return;
      begun.get(key)?.connector.stdin.end();
      begun.set(key, { ...(await startConnector(namespace)), at: performance.now() });
    };
    const onAdded = async (object: ApiObject): Promise<void> => {
      const key = podKey(object);
      const start = begun.get(key);
      if (!start) return;
      const addMilliseconds = performance.now() - start.at;
      const peers = ['peers/near', 'peers/far'].map((each) => stationAddress(lab.station(each), 'ipv4')!);
      const connection = connect(start.connector, peers).then((first) => ({ key, addMilliseconds, ...first }));
      found.set(key, connection);
      await connection;
    };
    const lab: Lab = await Lab.up({ objects: cast, settleMs, onSandbox, onAdded, ...options });
    try {
      await lab.settle();
    } catch (error) {
      await lab.down();
      throw error;
    }
    return new FirstConnections(lab, found);
  }

  /** Starts pods at once on n1, and ends them when each has connected. */
  start(count: number): Promise<FirstConnection[]> {
    return this.finish(this.create(count));
  }

  /** Starts pods at once on n1; returns without waiting for them. */
  create(count: number): string[] {
    const names = Array.from({ length: count }, () => `starter-${++this.#count}`);
    const objects = names.map((name) => {
      const object = pod('x', name, [], { nodeName: 'n1' });
      object.metadata.labels = { role: 'starter' };
      return object;
    });
    this.lab.apply(objects);
    return names.map((name) => `x/${name}`);
  }

  /** Waits until each has connected. */
  async connected(keys: readonly string[]): Promise<FirstConnection[]> {
    await this.lab.settle();
    return Promise.all(keys.map((key) => this.#found.get(key)!));
  }

  /** Waits until each has connected, and ends them. */
  async finish(keys: readonly string[]): Promise<FirstConnection[]> {
    const found = await this.connected(keys);
    for (const key of keys) this.lab.store.delete('pods', objectKey(key));
    await this.lab.settle();
    return found;
  }

  /** Whether a pod that connects has sent a SYN again. */
  async hasSentAgain(key: string): Promise<boolean> {
    const [namespace, name] = key.split('/') as [string, string];
    const path = this.lab.names.pod(namespace, name);
    const { stdout } = await execa(...enterNamespace(path, 'python3', ['-c', counter]), { reject: false });
    return Number(stdout) > 0;
  }

  close(): Promise<void> {
    return this.lab.down();
  }
}

type Connector = ReturnType<typeof spawnConnector>;

function spawnConnector(namespace: string) {
  return execa(...enterNamespace(namespace, 'python3', ['-c', program]), { stdin: 'pipe', reject: false });
}

/** Before CNI ADD, so that starting a process is no part of what is measured. */
async function startConnector(namespace: string): Promise<{ readonly connector: Connector }> {
  const connector = spawnConnector(namespace);
  await once(connector.stdout, 'data');
  // In an object, or the caller would await its end.
  return { connector };
}

async function connect(
  connector: Connector,
  peers: readonly string[],
): Promise<Pick<FirstConnection, 'milliseconds' | 'retransmittedSyns'>> {
  connector.stdin.end(`${peers.join(' ')}\n`);
  const { stdout, stderr } = await connector;
  const [retransmittedSyns, ...milliseconds] = stdout.replace('ready', '').trim().split(/\s+/).map(Number);
  assert.equal(milliseconds.length, peers.length, stderr);
  return { milliseconds, retransmittedSyns: retransmittedSyns! };
}
