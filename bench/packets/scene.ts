import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import type { Family } from '../../src/model/address.ts';
import { inFamily } from './in-family.ts';
import { TrafficProgram, type Mode, type TrafficEnds } from './traffic-program.ts';

export type Layout = 'routed' | 'bridged';
export const layouts: readonly Layout[] = ['routed', 'bridged'];

export interface End {
  /** IPv4; `inFamily` gives the one that is used. */
  readonly address: string;
  /** Its device on the node. */
  readonly device: string;
  /** MAC of the pod's interface, as in the CNI result cache. */
  readonly mac: string;
}

export interface Way {
  readonly from: End;
  readonly to: End;
  /** The address of a Service in front of `to`. */
  readonly service?: string;
}

const prefix = 'postern-bench-';
const node = `${prefix}node`;
export const range = '10.99.0.0/16';
export const bridge = 'bench0';
const gateway = '10.99.0.1';

/** The two isolated ends of the measured packets. */
export const way: Way = { from: end('a', 2), to: end('b', 3) };
/** The same by a Service. */
export const serviceWay: Way = { ...way, service: '10.96.0.10' };
/** From an isolated end to a pod of another node, that the same policies name. */
export const remoteWay: Way = { from: way.from, to: { ...end('r', 3), device: 'uplink-r', address: '10.98.0.3' } };
/** Two ends that no policy selects, on a node with isolated pods. */
export const openWay: Way = { from: end('c', 4), to: end('d', 5) };

function end(letter: string, number: number): End {
  return { address: `10.99.0.${number}`, device: `bench-${letter}`, mac: `02:00:00:00:00:0${number}` };
}

/** A node with four pods, and a pod of another node. */
export class Scene {
  readonly #program: TrafficProgram;
  readonly #family: Family;

  private constructor(program: TrafficProgram, family: Family) {
    this.#program = program;
    this.#family = family;
  }

  /** Creates a scene, runs `work`, and removes the scene. */
  static async with(layout: Layout, family: Family, work: (scene: Scene) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
    try {
      const program = await TrafficProgram.compile(directory);
      await work(await Scene.#up(layout, family, program));
    } finally {
      await Scene.#remove();
      await rm(directory, { recursive: true });
    }
  }

  static async #up(layout: Layout, family: Family, program: TrafficProgram): Promise<Scene> {
    await Scene.#remove();
    await createNamespace(node, routerSysctls);
    const pods = [way.from, way.to, openWay.from, openWay.to, remoteWay.to];
    const of = (text: string): string => inFamily(family, text);
    const addressed = (device: string, length: number): string[] => {
      return [`addr add ${of(`${gateway}/${length}`)} dev ${device}`, `link set ${device} up`];
    };
    const commands = layout === 'bridged' ? [`link add ${bridge} type bridge`, ...addressed(bridge, 16)] : [];
    for (const pod of pods) {
      const { address, device, mac } = pod;
      await createNamespace(namespaceOf(device));
      commands.push(`link add ${device} type veth peer name eth0 address ${mac} netns ${namespaceOf(device)}`);
      if (isBridged(layout, pod)) commands.push(`link set ${device} master ${bridge} up`);
      else commands.push(...addressed(device, 32), `route add ${of(address)} dev ${device}`);
    }
    await ip(node, commands);
    for (const pod of pods) {
      const length = isBridged(layout, pod) ? 16 : 32;
      await ip(namespaceOf(pod.device), [
        `addr add ${of(`${pod.address}/${length}`)} dev eth0`,
        'link set eth0 up',
        `route add default via ${of(gateway)} dev eth0 onlink`,
      ]);
    }
    return new Scene(program, family);
  }

  async nft(script: string): Promise<void> {
    await runInNamespace(node, 'nft', ['-f', '-'], { input: script });
  }

  /** All rules of the node as JSON. */
  listRules(): Promise<string> {
    return runInNamespace(node, 'nft', ['--json', 'list', 'ruleset']);
  }

  /** Otherwise a Service's connection may clash with another one to the same endpoint, and its first packet is lost. */
  async forgetConnections(): Promise<void> {
    await runInNamespace(node, 'conntrack', ['-F']);
  }

  /** Rejects if no packet arrives. From an end to itself, it measures the generator and the sockets without a path. */
  rate(on: Way, mode: Mode, port: number, milliseconds: number): Promise<number> {
    return this.#program.rate(this.#endsOf(on), mode, port, milliseconds);
  }

  /** UDP packets that arrive at each port. Packets to the `forbidden` port are sent first, so none of them is still in flight. */
  async probe(on: Way, allowed: number, forbidden: number): Promise<{ allowed: number; forbidden: number }> {
    const printed = await this.#program.run(this.#endsOf(on), 'probe', allowed, forbidden);
    const [first, second] = printed.split(' ').map(Number);
    return { allowed: first!, forbidden: second! };
  }

  #endsOf({ from, to, service }: Way): TrafficEnds {
    return {
      from: namespaceOf(from.device),
      to: namespaceOf(to.device),
      address: inFamily(this.#family, to.address),
      ...(service !== undefined && { target: inFamily(this.#family, service) }),
    };
  }

  static async #remove(): Promise<void> {
    for (const name of await listNamespaces(prefix)) await deleteNamespace(name);
  }
}

/** Of the end, by the letter of its device. */
function namespaceOf(device: string): string {
  return `${prefix}${device.at(-1)}`;
}

function isBridged(layout: Layout, pod: End): boolean {
  return layout === 'bridged' && pod !== remoteWay.to;
}

async function ip(namespace: string, commands: readonly string[]): Promise<void> {
  await runInNamespace(namespace, 'ip', ['-batch', '-'], { input: commands.map((each) => `${each}\n`).join('') });
}
