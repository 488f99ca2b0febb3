import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  createNamespace,
  deleteNamespace,
  enterNamespace,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';

export type Layout = 'routed' | 'bridged';
export const layouts: readonly Layout[] = ['routed', 'bridged'];

const names = { node: 'postern-bench-node', sender: 'postern-bench-a', receiver: 'postern-bench-b' };
export const range = '10.99.0.0/16';
export const sender = { address: '10.99.0.2', device: 'bench-a' };
export const receiver = { address: '10.99.0.3', device: 'bench-b' };
export const bridge = 'bench0';
const gateway = '10.99.0.1';
const discard = '9';

/** A node with two pods, one of which sends to the other. */
export class Scene {
  readonly #program: string;
  readonly #sink: ChildProcess;

  private constructor(program: string, sink: ChildProcess) {
    this.#program = program;
    this.#sink = sink;
  }

  /** @param program what send.c has become */
  static async up(layout: Layout, program: string): Promise<Scene> {
    await Scene.#remove();
    await createNamespace(names.node, routerSysctls);
    const commands = layout === 'bridged' ? [`link add ${bridge} type bridge`, ...addressed(bridge, '/16')] : [];
    for (const [namespace, pod] of [[names.sender, sender] as const, [names.receiver, receiver] as const]) {
      await createNamespace(namespace);
      commands.push(`link add ${pod.device} type veth peer name eth0 netns ${namespace}`);
      if (layout === 'bridged') commands.push(`link set ${pod.device} master ${bridge} up`);
      else commands.push(...addressed(pod.device, '/32'), `route add ${pod.address} dev ${pod.device}`);
    }
    await ip(names.node, commands);
    for (const [namespace, { address }] of [[names.sender, sender] as const, [names.receiver, receiver] as const]) {
      const length = layout === 'bridged' ? '/16' : '/32';
      const route = layout === 'bridged' ? [] : [`route add default via ${gateway} dev eth0 onlink`];
      await ip(namespace, [`addr add ${address}${length} dev eth0`, 'link set eth0 up', ...route]);
    }
    const script = fileURLToPath(new URL('receive.py', import.meta.url));
    const sink = spawn(...enterNamespace(names.receiver, 'python3', [script]), { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(sink.stdout, 'data');
    return new Scene(program, sink);
  }

  /** Replaces all rules of the node. */
  async load(script: string): Promise<void> {
    await runInNamespace(names.node, 'nft', ['-f', '-'], { input: `flush ruleset\n${script}` });
  }

  /** Nanoseconds of processor time that a packet takes from the sender's call to the receiver's socket. */
  async nanosecondsPerPacket(milliseconds: number): Promise<number> {
    const args = ['-c', '0', this.#program, receiver.address, discard, String(milliseconds)];
    const [nanoseconds] = (await runInNamespace(names.sender, 'taskset', args)).split(' ');
    return Number(nanoseconds);
  }

  /** How many packets have reached the receiver's network. */
  async received(): Promise<number> {
    const snmp = await runInNamespace(names.receiver, 'cat', ['/proc/net/snmp']);
    const [header, values] = snmp.split('\n').filter((line) => line.startsWith('Ip:'));
    return Number(values!.split(' ')[header!.split(' ').indexOf('InDelivers')]);
  }

  async down(): Promise<void> {
    const ended = once(this.#sink, 'exit');
    this.#sink.stdin!.end();
    await ended;
    await Scene.#remove();
  }

  static async #remove(): Promise<void> {
    for (const name of Object.values(names)) await deleteNamespace(name).catch(() => {});
  }
}

function addressed(device: string, length: string): string[] {
  return [`addr add ${gateway}${length} dev ${device}`, `link set ${device} up`];
}

async function ip(namespace: string, commands: readonly string[]): Promise<void> {
  await runInNamespace(namespace, 'ip', ['-batch', '-'], { input: commands.map((each) => `${each}\n`).join('') });
}
