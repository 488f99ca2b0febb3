import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  namespacePath,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';

export type Layout = 'routed' | 'bridged';
export const layouts: readonly Layout[] = ['routed', 'bridged'];

export interface End {
  readonly address: string;
  /** Its device on the node. */
  readonly device: string;
  /** MAC of the pod's interface, as in the CNI result cache. */
  readonly mac: string;
}

export interface Way {
  readonly from: End;
  readonly to: End;
}

const prefix = 'postern-bench-';
const node = `${prefix}node`;
export const range = '10.99.0.0/16';
export const bridge = 'bench0';
const gateway = '10.99.0.1';

/** The two isolated ends of the measured packets. */
export const way: Way = { from: end('a', 2), to: end('b', 3) };
/** Two ends that no policy selects, on a node with isolated pods. */
export const openWay: Way = { from: end('c', 4), to: end('d', 5) };

function end(letter: string, number: number): End {
  return { address: `10.99.0.${number}`, device: `bench-${letter}`, mac: `02:00:00:00:00:0${number}` };
}

/** Modes of traffic.c. Rates are per second of processor time (`stream`: Mbit); `bulk`: Mbit per second of wall-clock time. */
export type Mode = 'udp' | 'answered' | 'connect' | 'bulk' | 'stream';

/** A node with four pods. */
export class Scene {
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  /** Creates a scene, runs `work`, and removes the scene. */
  static async with(layout: Layout, work: (scene: Scene) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
    try {
      const program = join(directory, 'traffic');
      const source = fileURLToPath(new URL('traffic.c', import.meta.url));
      await execa('cc', ['-O2', '-Wall', '-Werror', '-pthread', '-o', program, source]);
      await work(await Scene.#up(layout, program));
    } finally {
      await Scene.#remove();
      await rm(directory, { recursive: true });
    }
  }

  static async #up(layout: Layout, program: string): Promise<Scene> {
    await Scene.#remove();
    await createNamespace(node, routerSysctls);
    const pods = [way.from, way.to, openWay.from, openWay.to];
    const commands = layout === 'bridged' ? [`link add ${bridge} type bridge`, ...addressed(bridge, '/16')] : [];
    for (const { address, device, mac } of pods) {
      await createNamespace(namespaceOf(device));
      commands.push(`link add ${device} type veth peer name eth0 address ${mac} netns ${namespaceOf(device)}`);
      if (layout === 'bridged') commands.push(`link set ${device} master ${bridge} up`);
      else commands.push(...addressed(device, '/32'), `route add ${address} dev ${device}`);
    }
    await ip(node, commands);
    for (const { address, device } of pods) {
      const length = layout === 'bridged' ? '/16' : '/32';
      const route = layout === 'bridged' ? [] : [`route add default via ${gateway} dev eth0 onlink`];
      await ip(namespaceOf(device), [`addr add ${address}${length} dev eth0`, 'link set eth0 up', ...route]);
    }
    return new Scene(program);
  }

  async nft(script: string): Promise<void> {
    await runInNamespace(node, 'nft', ['-f', '-'], { input: script });
  }

  /** Rejects if no packet arrives. From an end to itself, it measures the generator and the sockets without a path. */
  async rate({ from, to }: Way, mode: Mode, port: number, milliseconds: number): Promise<number> {
    const rate = Number(await this.#run(from, to, mode, port, milliseconds));
    if (!(rate > 0)) throw new Error(`${mode} from ${from.device} to ${to.device}: nothing was counted`);
    return rate;
  }

  /** UDP packets that arrive at each port. Packets to the `forbidden` port are sent first, so none of them is still in flight. */
  async probe({ from, to }: Way, allowed: number, forbidden: number): Promise<{ allowed: number; forbidden: number }> {
    const [first, second] = (await this.#run(from, to, 'probe', allowed, forbidden)).split(' ').map(Number);
    return { allowed: first!, forbidden: second! };
  }

  async #run(from: End, to: End, mode: string, port: number, last: number): Promise<string> {
    const networks = [from, to].map(({ device }) => namespacePath(namespaceOf(device)));
    const { stdout } = await execa(this.#program, [...networks, to.address, mode, String(port), String(last)]);
    return stdout;
  }

  static async #remove(): Promise<void> {
    for (const name of await listNamespaces(prefix)) await deleteNamespace(name);
  }
}

function namespaceOf(device: string): string {
  return `postern-${device}`;
}

function addressed(device: string, length: string): string[] {
  return [`addr add ${gateway}${length} dev ${device}`, `link set ${device} up`];
}

async function ip(namespace: string, commands: readonly string[]): Promise<void> {
  await runInNamespace(namespace, 'ip', ['-batch', '-'], { input: commands.map((each) => `${each}\n`).join('') });
}
