import assert from 'node:assert/strict';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { Lab } from '../../src/lab/lab.ts';
import { createNamespace } from '../../src/lab/network-namespace.ts';
import { objectKey, podKey } from '../../src/lab/pod-spec.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { families } from '../../src/model/address.ts';
import { pod } from '../lab/objects.ts';
import { eventually } from './eventually.ts';
import { Flooder, transports } from './flooder.ts';
import type { FloodReport, FloodTarget } from './flooder.ts';
import { poolAddresses } from './pod-network.ts';
import { addOwnSandbox } from './own-sandbox.ts';
import { pods, policy } from './policies.ts';
import { settleMs } from '../support/time-factor.ts';

export type Color = 'red' | 'blue';

/** Three of n1 are taken. */
const podAddresses = 4;
const filler = 'peers/filler';
const peers = ['near', 'far'].flatMap((where) => (['red', 'blue'] as const).map((color) => ({ where, color })));

const cast: readonly ApiObject[] = [
  ...peers.map(({ where, color }) =>
    labelled(pod('peers', `${where}-${color}`, [], { nodeName: where === 'near' ? 'n1' : 'n2' }), { likes: color }),
  ),
  // Without it two addresses would take turns.
  pod('peers', 'filler', [], { nodeName: 'n1' }),
  ...(['red', 'blue'] as const).map((color) => {
    const rule = [pods({ likes: color })];
    return policy('x', color, { pods: { color }, ingress: [{ from: rule }], egress: [{ to: rule }] });
  }),
];

function labelled(object: ApiObject, labels: Readonly<Record<string, string>>): ApiObject {
  object.metadata.labels = { ...object.metadata.labels, ...labels };
  return object;
}

/** One who has the address for a while. */
export interface Turn {
  readonly id: string;
  readonly color: Color;
  readonly key: string;
}

/**
 * A lab with one free address of each family on n1, flooded from the same ports all the time by peers, of which some like red pods and
 * some like blue ones. Whoever has the address floods all of them, from the same ports too.
 */
export class AddressTurns {
  readonly lab: Lab;
  readonly #peers = new Map<string, Flooder>();
  readonly #cni: LabCni;
  readonly #hook: Hook;
  #count = 0;
  /** What one of them has at a time. */
  #pool: readonly string[] = [];
  #node: Flooder | undefined;

  private constructor(lab: Lab, cni: LabCni, hook: Hook) {
    this.lab = lab;
    this.#cni = cni;
    this.#hook = hook;
    hook.read = () => this.#peerReports();
  }

  static async open(name: string, cni: LabCni): Promise<AddressTurns> {
    const hook = new Hook();
    const lab = await Lab.up({
      name,
      cni,
      podAddresses,
      objects: cast,
      settleMs,
      onSandbox: (...told) => hook.call(...told),
    });
    const turns = new AddressTurns(lab, cni, hook);
    try {
      await lab.settle();
      await turns.#startPeers();
    } catch (error) {
      await lab.down();
      throw error;
    }
    return turns;
  }

  /** Hands the address to a new pod, at once; `name` may be that of the one before. */
  async hand(color: Color, name: string, last?: Turn): Promise<Turn> {
    const turn = { id: `${color}-${++this.#count}`, color, key: `x/${name}` };
    if (last !== undefined) await this.end(last, last.key === turn.key);
    this.lab.apply([labelled(pod('x', name, [], { nodeName: 'n1' }), { color, turn: turn.id })]);
    return turn;
  }

  /** By force: its object is gone at once, and nobody waits for the rest. */
  async end({ key }: Turn, byForce: boolean): Promise<void> {
    await this.#delete(key, byForce);
  }

  /** A second sandbox of the pod, which nothing ends with it. */
  async leaveBehind(turn: Turn): Promise<{ left: Turn; remove: () => Promise<void> }> {
    const { lab } = this;
    const { uid, labels } = lab.store.get('pods', objectKey(turn.key)).metadata;
    const left = { ...turn, id: `${turn.id}-left` };
    const object = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'x', name: left.id, labels: { ...labels, turn: left.id } },
    };
    const sandbox = lab.names.pod('x', left.id);
    await createNamespace(sandbox);
    await this.#hook.call(object, sandbox);
    const [namespace, name] = turn.key.split('/') as [string, string];
    const to = { namespace, name, uid: uid! };
    const remove = await addOwnSandbox({ lab, cni: this.#cni, podAddresses, sandbox, pod: to });
    return { left, remove };
  }

  /** Its object stays when it ends, until it is let go. */
  hold(turn: Turn): void {
    this.#setFinalizers(turn, ['postern.dev/held-by-a-test']);
  }

  letGo(turn: Turn): void {
    this.#setFinalizers(turn, []);
  }

  /** From now on two addresses take turns. */
  async makeRoom(): Promise<void> {
    await this.#delete(filler, false);
  }

  /** Waits until it talks with all who like it, and asserts that it did with nobody else. */
  async finish(turn: Turn): Promise<void> {
    await eventually(() => this.#missing(turn));
    await this.assertOnly(turn, turn.color);
  }

  /** Waits until it has sent for long, and asserts that nothing came of it, nor to it. */
  async assertShut(turn: Turn): Promise<void> {
    await eventually(async () => (this.#hook.holders.has(turn.id) ? undefined : `${turn.id} has no network`));
    await this.#sendMore(turn);
    await this.assertOnly(turn, undefined);
  }

  /** Those who like it go on to hear it, and it them. */
  async assertGoesOn(turn: Turn): Promise<void> {
    const count = async (): Promise<number[]> => {
      const own = await this.report(turn);
      const liking = [...(await this.#peerReports())].filter(([key]) => key.endsWith(`-${turn.color}`));
      const seen = liking.flatMap(([key, report]) => [report.seen[turn.id]!, own.seen[key]!]);
      return seen.flatMap(({ counts }) => [counts.udp4!, counts.udp6!]);
    };
    const before = await count();
    await eventually(async () => {
      const more = (await count()).map((each, index) => each - before[index]!);
      return more.every((each) => each > 20) ? undefined : `what came more with ${turn.id}: ${more.join()}`;
    });
  }

  /** Its node may talk to it all the time (S5.1); in IPv6 once its word is believed of where the address is. */
  async assertHearsItsNode(turn: Turn): Promise<void> {
    if (!this.#node) this.#node = await Flooder.start(this.lab.names.node('n1'), 'node/n1');
    await this.#node.aim(this.#pool.map(targetOf));
    await eventually(async () => {
      const counts = (await this.report(turn)).seen['node/n1']?.counts;
      return counts?.udp4 === undefined ? `${turn.id} does not hear its node` : undefined;
    });
    await this.#node.aim([]);
  }

  /** However much it goes on to send, nothing comes any more of it, nor to it. */
  async assertFallsSilent(turn: Turn): Promise<void> {
    const came = async (): Promise<string> => {
      const { seen, segments } = await this.report(turn);
      const reports = [...(await this.#peerReports()).values()];
      return JSON.stringify([seen, segments, reports.map((report) => report.seen[turn.id] ?? null)]);
    };
    await eventually(async () => {
      const before = await came();
      await this.#sendMore(turn);
      const now = await came();
      return before === now ? undefined : `${before} had come, and then ${now}`;
    });
  }

  /** What has come since it has the address was to and from peers of this color. */
  async assertOnly(turn: Turn, color: Color | undefined): Promise<void> {
    const own = await this.report(turn);
    const found: string[] = [];
    for (const [key, report] of await this.#peerReports()) {
      if (key.endsWith(`-${color}`)) continue;
      const before = this.#segmentsOfTurns(this.#hook.before.get(turn.id)!.get(key)!);
      const now = this.#segmentsOfTurns(report);
      if (report.seen[turn.id]) found.push(`${turn.id} → ${key}: ${JSON.stringify(report.seen[turn.id])}`);
      if (own.seen[key]) found.push(`${key} → ${turn.id}: ${JSON.stringify(own.seen[key])}`);
      if (before !== now) found.push(`${turn.id} → ${key}: TCP ${before}, then ${now}`);
      for (const address of this.#addressesOf(key)) {
        if (own.segments[address]) found.push(`${key} → ${turn.id}: TCP ${JSON.stringify(own.segments[address])}`);
      }
    }
    assert.deepEqual(found, []);
  }

  async report({ id }: Turn): Promise<FloodReport> {
    return this.#hook.holders.get(id)!.report();
  }

  async close(): Promise<void> {
    await this.lab.down();
  }

  #setFinalizers({ key }: Turn, finalizers: string[]): void {
    const object = structuredClone(this.lab.store.get('pods', objectKey(key)));
    object.metadata.finalizers = finalizers;
    this.lab.store.update('pods', object);
  }

  async #delete(key: string, byForce: boolean): Promise<void> {
    this.lab.store.delete('pods', objectKey(key), byForce ? { gracePeriodSeconds: 0 } : {});
    if (!byForce) await eventually(async () => (this.#isGone(key) ? undefined : `${key} is still there`));
  }

  async #startPeers(): Promise<void> {
    const keys = peers.map(({ where, color }) => `peers/${where}-${color}`);
    this.#hook.targets.push(
      ...keys
        .flatMap((key) => this.#addressesOf(key))
        .map((address) => ({ address, udp: 20, tcp: 100, eager: true, talk: true })),
    );
    const taken = keys.flatMap((key) => this.#addressesOf(key));
    this.#pool = poolAddresses(this.lab, 'n1', podAddresses, taken);
    const targets = this.#pool.map(targetOf);
    for (const key of keys) {
      this.#peers.set(key, await Flooder.start(this.lab.station(key).process.namespace, key, targets));
    }
  }

  async #sendMore(turn: Turn): Promise<void> {
    const { sent: before } = await this.report(turn);
    await eventually(async () => {
      const { sent } = await this.report(turn);
      const few = this.#hook.targets.find(({ address }) => (sent[address] ?? 0) < (before[address] ?? 0) + 20);
      return few && `${turn.id} does not send to ${few.address}`;
    });
  }

  async #peerReports(): Promise<Map<string, FloodReport>> {
    const reports = [...this.#peers].map(async ([key, peer]) => [key, await peer.report()] as const);
    return new Map(await Promise.all(reports));
  }

  #addressesOf(key: string): string[] {
    return families.map((family) => stationAddress(this.lab.station(key), family)!);
  }

  /** The filler refuses calls, to whomever it likes. */
  #segmentsOfTurns({ segments }: FloodReport): string {
    const others = new Set(this.#isGone(filler) ? [] : this.#addressesOf(filler));
    return JSON.stringify(Object.entries(segments).filter(([address]) => !others.has(address)));
  }

  #isGone(key: string): boolean {
    return this.lab.stations().every((station) => station.key !== key);
  }

  async #missing(turn: Turn): Promise<string | undefined> {
    if (this.#hook.holders.get(turn.id)?.hasEnded !== false) return `${turn.id} has no network`;
    const own = await this.report(turn);
    for (const [key, { seen }] of await this.#peerReports()) {
      if (!key.endsWith(`-${turn.color}`)) continue;
      for (const transport of transports) {
        if (!seen[turn.id]?.counts[transport]) return `${transport} from ${turn.id} to ${key}`;
        if (!own.seen[key]?.counts[transport]) return `${transport} from ${key} to ${turn.id}`;
      }
    }
    return undefined;
  }
}

function targetOf(address: string): FloodTarget {
  return { address, udp: 10, tcp: 100, talk: true };
}

/** Starts the flood of whoever gets the address, before he has it. */
class Hook {
  readonly holders = new Map<string, Flooder>();
  /** What had come to each peer when a pod had no network yet: by the pod's id. */
  readonly before = new Map<string, Map<string, FloodReport>>();
  readonly targets: FloodTarget[] = [];
  read: () => Promise<Map<string, FloodReport>> = async () => new Map();

  async call(object: ApiObject, namespace: string): Promise<void> {
    if (!podKey(object).startsWith('x/')) return;
    const id = object.metadata.labels!['turn']!;
    this.before.set(id, await this.read());
    this.holders.set(id, await Flooder.start(namespace, id, this.targets));
  }
}
