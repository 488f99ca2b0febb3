import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { Lab } from '../../src/lab/lab.ts';
import type { LabOptions } from '../../src/lab/lab.ts';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import type { Family } from '../../src/model/address.ts';
import { host, pod } from '../lab/objects.ts';
import { Ear } from '../kernel/ear.ts';
import { eventually } from '../kernel/eventually.ts';
import { nicOf } from '../kernel/nic.ts';
import type { LinkInfo, Nic } from '../kernel/nic.ts';
import { block, pods, policy, port } from '../kernel/policies.ts';
import { Attacker } from './attacker.ts';
import type { Rights, Seen, Step } from './attacker.ts';
import { settleMs } from '../support/time-factor.ts';

const served = ['TCP/80', 'TCP/8080'];

/** `evil` is the attacker's namespace. No policy selects `free`, `far`, `open` and `away`. */
const podNodes = {
  'evil/free': 'n1',
  'evil/caged': 'n1',
  'evil/far': 'n2',
  'bank/shut': 'n1',
  'bank/open': 'n1',
  'bank/away': 'n2',
} as const;
export type PodKey = keyof typeof podNodes;
/** A pod; a machine on the network of the nodes; the node of all pods but `far` and `away`. */
export type Actor = PodKey | 'neighbour' | 'node';
/** Who hears: an actor's card, whatever comes to it; the bridge of the node; or `socket`, on ports of the node what was let through. */
export type EarName = Actor | 'bridge' | 'socket';

const allowed = { ports: [port('UDP/7001'), port('TCP/8080')] };
const neighbourAddress: Readonly<Record<Family, string>> = { ipv4: '172.30.0.1', ipv6: 'fd00:172:30::1' };
/** Addresses that the node has and the API does not know. */
export const spareAddress: Readonly<Record<Family, string>> = { ipv4: '172.30.0.102', ipv6: 'fd00:172:30::102' };
const neighbours = Object.values(neighbourAddress).map((each) => block(`${each}/${each.includes(':') ? 128 : 32}`));

/** `shut` may send what it likes, and get UDP/7001 and TCP/8080 alone; `caged` may send and get these alone. */
const policies: readonly ApiObject[] = [
  policy('bank', 'shut', { pods: { pod: 'shut' }, ingress: [{ from: [pods({}, {}), ...neighbours], ...allowed }] }),
  policy('evil', 'caged', {
    pods: { pod: 'caged' },
    ingress: [{ from: [pods({}, {}), ...neighbours], ...allowed }],
    egress: [{ to: ['10.0.0.0/8', '172.30.0.0/24', 'fd00::/16'].map(block), ...allowed }],
  }),
];

const cast: readonly ApiObject[] = [
  ...Object.entries(podNodes).map(([key, nodeName]) => {
    const [namespace, name] = key.split('/') as [string, string];
    return pod(namespace, name, served, { nodeName });
  }),
  host('outside', ['10.9.0.1', 'fd00:9::1'], [{ port: 80 }, { port: 8080 }]),
  ...policies,
];

type AttackLabOptions = LabOptions & { readonly cni: LabCni };

/** A lab in which some attack others. */
export class AttackLab {
  readonly lab: Lab;
  readonly cni: LabCni;
  readonly isEnforced: boolean;
  readonly #nics = new Map<string, Nic>();
  readonly #ears = new Map<EarName, Ear>();
  readonly #attackers = new Map<string, Attacker>();

  private constructor(lab: Lab, { cni, agents }: AttackLabOptions) {
    this.lab = lab;
    this.cni = cni;
    this.isEnforced = agents !== false;
  }

  static async open(options: AttackLabOptions): Promise<AttackLab> {
    const onSandbox = async (_: ApiObject, namespace: string): Promise<void> => {
      // As containerd and Docker have it: a pod's users bind any port.
      await runInNamespace(namespace, 'sysctl', ['-qw', 'net.ipv4.ip_unprivileged_port_start=0']);
    };
    const lab = await Lab.up({ objects: cast, onSandbox, settleMs, ...options });
    const attacks = new AttackLab(lab, options);
    try {
      await lab.settle();
      await attacks.#look();
      for (const each of Object.values(spareAddress)) {
        const length = each.includes(':') ? 128 : 32;
        await attacks.run('node', 'ip', 'address', 'add', `${each}/${length}`, 'dev', 'eth0');
      }
    } catch (error) {
      await lab.down();
      throw error;
    }
    return attacks;
  }

  /** Of a pod, of the node and of its neighbour on the network of the nodes. */
  nic(actor: Actor): Nic {
    return this.#nics.get(actor)!;
  }

  /** The node's end of a pod's link: what the pod sends to others by way of. */
  gateway(key: PodKey): Nic {
    return this.#nics.get(`gateway of ${key}`)!;
  }

  address(actor: Actor, family: Family): string {
    return this.nic(actor).address[family];
  }

  namespaceOf(actor: Actor): string {
    if (actor === 'neighbour') return this.lab.names.fabric;
    return this.lab.station(actor === 'node' ? 'node/n1' : actor).process.namespace;
  }

  /** Returns what the steps saw, one for each. */
  act(actor: Actor, rights: Rights, steps: readonly Step[]): Promise<Seen> {
    const key = `${actor} ${rights}`;
    if (!this.#attackers.has(key)) this.#attackers.set(key, new Attacker(this.namespaceOf(actor), rights));
    return this.#attackers.get(key)!.act(steps);
  }

  /** To be called before a pod ends that a test has started: another of its name has another network. */
  forget(actor: Actor): void {
    for (const rights of ['raw', 'plain']) this.#attackers.delete(`${actor} ${rights}`);
    this.#ears.delete(actor);
  }

  async send(actor: Actor, ...frames: readonly Buffer[]): Promise<void> {
    const device = actor === 'neighbour' ? 'br0' : 'eth0';
    const steps = frames.map((each) => ({ do: 'frame', device, hex: each.toString('hex') }));
    await this.act(actor, 'raw', steps);
  }

  /** Runs a program in the network of an actor. */
  run(actor: Actor, file: string, ...args: readonly string[]): Promise<string> {
    return runInNamespace(this.namespaceOf(actor), file, args);
  }

  /** To be called before what is to be heard is sent. */
  async listen(ear: EarName): Promise<void> {
    if (this.#ears.has(ear)) return;
    const actor = ear === 'bridge' || ear === 'socket' ? 'node' : ear;
    const device = ear === 'bridge' ? 'cni0' : ear === 'neighbour' ? 'br0' : 'eth0';
    const words = ear === 'socket' ? ['take'] : ['hear', device];
    this.#ears.set(ear, await Ear.open(this.namespaceOf(actor), words));
  }

  async hears(ear: EarName, token: string): Promise<void> {
    await eventually(async () => (this.heard(ear, token) ? undefined : `${ear} has not heard it`));
  }

  heard(ear: EarName, token: string): boolean {
    return this.#ears.get(ear)!.tokens.has(token);
  }

  /** Changes what the container runtime of n1 has noted of a pod. */
  async editRecord(key: PodKey, edit: (text: string) => string): Promise<void> {
    const folder = join(this.lab.state.cniDirectory('n1'), 'results');
    const [namespace, name] = key.split('/');
    for (const file of await readdir(folder)) {
      const path = join(folder, file);
      // A pod that goes takes its record with it.
      const text = await readFile(path, 'utf8').catch(() => '');
      const { cniArgs = [] } = (text === '' ? {} : JSON.parse(text)) as { cniArgs?: [string, string][] };
      const args = new Map(cniArgs);
      if (args.get('K8S_POD_NAMESPACE') !== namespace || args.get('K8S_POD_NAME') !== name) continue;
      await writeFile(`${path}.new`, edit(text));
      await rename(`${path}.new`, path);
    }
  }

  async close(): Promise<void> {
    await this.lab.down();
  }

  async #look(): Promise<void> {
    const ofNodes = new Map<string, LinkInfo[]>();
    for (const node of ['n1', 'n2']) ofNodes.set(node, await this.#links(this.lab.names.node(node)));
    const named = (links: readonly LinkInfo[], name: string): Nic =>
      nicOf(links.find(({ ifname }) => ifname === name)!);
    this.#nics.set('node', named(ofNodes.get('n1')!, 'eth0'));
    this.#nics.set('neighbour', named(await this.#links(this.lab.names.fabric), 'br0'));
    for (const [key, node] of Object.entries(podNodes)) {
      const own = (await this.#links(this.namespaceOf(key as PodKey))).find(({ ifname }) => ifname === 'eth0')!;
      this.#nics.set(key, nicOf(own));
      const links = ofNodes.get(node)!;
      const gateway = links.find(({ ifname, ifindex }) =>
        this.cni === 'bridge' ? ifname === 'cni0' : ifindex === own.link_index,
      )!;
      this.#nics.set(`gateway of ${key}`, nicOf(gateway));
    }
  }

  async #links(namespace: string): Promise<LinkInfo[]> {
    const words = ['-json', '-details', 'address', 'show'];
    return JSON.parse(await runInNamespace(namespace, 'ip', words)) as LinkInfo[];
  }
}

export function isNear(key: PodKey): boolean {
  return podNodes[key] === 'n1';
}
