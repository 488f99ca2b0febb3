import type { AgentProcess } from '../../src/lab/agent-process.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { Lab } from '../../src/lab/lab.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { pod } from '../lab/objects.ts';
import { Ear, frameProgram } from './ear.ts';
import { eventually } from './eventually.ts';
import { nicOf, readLinks } from './nic.ts';
import type { Nic } from './nic.ts';
import { block, policy, port } from './policies.ts';
import { settleMs } from '../support/time-factor.ts';

/** Of these, no policy selects `free`, `other`, `victim` and `far`; what `caged` may send and `shut` may receive stands below. */
const podNames = ['free', 'caged', 'other', 'victim', 'shut', 'far'] as const;
/** `late` is there only once it is started. */
export type PodName = (typeof podNames)[number] | 'late';
/** Who hears: a pod, whatever comes; the bridge, the same; or a process on the node of all pods but `far`, what was let through to it. */
export type EarName = PodName | 'node' | 'bridge';

const cast: readonly ApiObject[] = [
  ...podNames.map((name) => pod('x', name, [], { nodeName: name === 'far' ? 'n2' : 'n1' })),
  policy('x', 'caged', {
    pods: { pod: 'caged' },
    egress: [{ to: ['10.244.0.0/16', '172.30.0.0/24', 'fd00::/16'].map(block), ports: [port('UDP/7001')] }],
  }),
  policy('x', 'shut', {
    pods: { pod: 'shut' },
    ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'free' } } }], ports: [port('UDP/7001')] }],
  }),
];

/** Pods that write frames by hand, and ears that say which of them arrived. */
export class FrameLab {
  readonly lab: Lab;
  readonly #nics = new Map<string, Nic>();
  readonly #ears = new Map<EarName, Ear>();

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async open(name: string, cni: LabCni, args: readonly string[] = []): Promise<FrameLab> {
    const lab = await Lab.up({ name, cni, objects: cast, settleMs, agents: { args } });
    const frames = new FrameLab(lab);
    try {
      await lab.settle();
      for (const each of podNames) await frames.#look(each, cni);
    } catch (error) {
      await lab.down();
      throw error;
    }
    return frames;
  }

  /** Starts `late`, on n1. */
  async startLate(cni: LabCni): Promise<void> {
    this.lab.apply([pod('x', 'late', [], { nodeName: 'n1' })]);
    // Not `settle`: there may be no agent.
    await eventually(async () => {
      const { status } = this.lab.store.get('pods', { namespace: 'x', name: 'late' }) as {
        status?: { phase?: string };
      };
      return status?.phase === 'Running' ? undefined : `late is ${JSON.stringify(status)}`;
    });
    await this.#look('late', cni);
  }

  /** Of n1. */
  get agent(): AgentProcess {
    return this.lab.agents.get('n1')!;
  }

  nic(name: PodName): Nic {
    return this.#nics.get(name)!;
  }

  /** The node's end of a pod's link: what the pod sends to others by way of. */
  gateway(name: PodName): Nic {
    return this.#nics.get(`gateway of ${name}`)!;
  }

  /** Of n1, not one on a link of pods. */
  nodeAddress(family: Family): string {
    return this.lab.plan.nodes[0]!.addresses[families.indexOf(family)]!;
  }

  async send(from: PodName, ...frames: readonly Buffer[]): Promise<void> {
    const words = frames.map((each) => each.toString('hex'));
    await this.lab.exec(`x/${from}`, python, ...pythonOptions, frameProgram, 'send', ...words);
  }

  /** To be called before what is to be heard is sent. */
  async listen(ear: EarName): Promise<void> {
    if (this.#ears.has(ear)) return;
    const isOnNode = ear === 'node' || ear === 'bridge';
    const { namespace } = this.lab.station(isOnNode ? 'node/n1' : `x/${ear}`).process;
    const words = ear === 'node' ? ['take'] : ['hear', ear === 'bridge' ? 'cni0' : 'eth0'];
    this.#ears.set(ear, await Ear.open(namespace, words));
  }

  async hears(ear: EarName, token: string): Promise<void> {
    await eventually(async () => (this.heard(ear, token) ? undefined : `${ear} has not heard it`));
  }

  heard(ear: EarName, token: string): boolean {
    return this.#ears.get(ear)!.tokens.has(token);
  }

  async close(): Promise<void> {
    await this.lab.down();
  }

  async #look(name: PodName, cni: LabCni): Promise<void> {
    const own = (await readLinks(this.lab, `x/${name}`)).find(({ ifname }) => ifname === 'eth0')!;
    this.#nics.set(name, nicOf(own));
    if (name === 'far') return;
    const gateway = (await readLinks(this.lab, 'node/n1')).find(
      cni === 'bridge' ? ({ ifname }) => ifname === 'cni0' : ({ ifindex }) => ifindex === own.link_index,
    );
    this.#nics.set(`gateway of ${name}`, nicOf(gateway!));
  }
}
