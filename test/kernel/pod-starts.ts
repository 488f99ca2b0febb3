import assert from 'node:assert/strict';
import type { AgentProcess } from '../../src/lab/agent-process.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { Lab } from '../../src/lab/lab.ts';
import { objectKey, podKey } from '../../src/lab/pod-spec.ts';
import { families } from '../../src/model/address.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { pod } from '../lab/objects.ts';
import { eventually } from './eventually.ts';
import { Flooder, transports } from './flooder.ts';
import type { FloodReport, FloodTarget } from './flooder.ts';
import { pods, policy } from './policies.ts';
import { poolAddresses, readAddTimes } from './pod-network.ts';
import { settleMs } from '../support/time-factor.ts';

/** Of each range of a node; few, so that addresses come back to other pods soon. */
const podAddresses = 16;
const friends = ['peers/near-friend', 'peers/far-friend'] as const;
const foes = ['peers/near-foe', 'peers/far-foe'] as const;
const everyone = [...friends, ...foes];

const cast: readonly ApiObject[] = [
  peer('near-friend', 'n1'),
  peer('near-foe', 'n1'),
  peer('far-friend', 'n2'),
  peer('far-foe', 'n2'),
  policy('x', 'friends-only', {
    ingress: [{ from: [pods({ is: 'friend' })] }],
    egress: [{ to: [pods({ is: 'friend' })] }],
  }),
];

function peer(name: string, nodeName: string): ApiObject {
  const object = pod('peers', name, [], { nodeName });
  object.metadata.labels = { is: name.split('-')[1]! };
  return object;
}

/** What became of a pod that was started. */
export interface Start {
  readonly key: string;
  /** From the success of ADD, before which no container runs, to the first packet that a friend had of it. */
  readonly milliseconds: number;
}

/**
 * A lab in which friends and foes, on the node of the pods that start and on another, flood every address that a pod may get; and every
 * pod floods them from its first instruction on. Policies let pods of `x` talk with friends only.
 */
export class PodStarts {
  readonly lab: Lab;
  readonly agent: AgentProcess;
  readonly #args: readonly string[];
  readonly #peers = new Map<string, Flooder>();
  readonly #started: Map<string, Flooder>;
  /** Of the pods that start. */
  readonly #targets: readonly FloodTarget[];
  #count = 0;

  private constructor(
    lab: Lab,
    args: readonly string[],
    started: Map<string, Flooder>,
    targets: readonly FloodTarget[],
  ) {
    this.lab = lab;
    this.#args = args;
    this.agent = lab.agents.get('n1')!;
    this.#started = started;
    this.#targets = targets;
  }

  static async open(name: string, cni: LabCni, args: readonly string[] = []): Promise<PodStarts> {
    const started = new Map<string, Flooder>();
    const targets: FloodTarget[] = [];
    const lab = await Lab.up({
      name,
      cni,
      podAddresses,
      objects: cast,
      settleMs,
      agents: { args },
      onSandbox: async (object, namespace) => {
        const key = podKey(object);
        if (key.startsWith('x/')) started.set(key, await Flooder.start(namespace, key, targets));
      },
    });
    const starts = new PodStarts(lab, args, started, targets);
    try {
      await lab.settle();
      targets.push(...starts.#addressesOf(everyone).map(eagerly));
      await starts.#startPeers();
    } catch (error) {
      await lab.down();
      throw error;
    }
    return starts;
  }

  /** After `agent.stop`; as it was, unless told otherwise. */
  async startAgent(args = this.#args): Promise<void> {
    await this.agent.start({ args });
  }

  /** Nobody sends. */
  async quieten(): Promise<void> {
    await Promise.all([...this.#peers.values(), ...this.#started.values()].map((each) => each.aim([])));
  }

  /** All send again. */
  async resume(): Promise<void> {
    const targets = this.#rangeTargets();
    await Promise.all([...this.#started.values()].map((each) => each.aim(this.#targets)));
    await Promise.all([...this.#peers.values()].map((each) => each.aim(targets)));
  }

  /** Starts pods at once, on n1; returns without waiting for them. */
  create(count: number): string[] {
    const names = Array.from({ length: count }, () => `starter-${++this.#count}`);
    this.lab.apply(names.map((name) => pod('x', name, [], { nodeName: 'n1' })));
    return names.map((name) => `x/${name}`);
  }

  /** Waits until every friend talks with every pod, by every transport; returns how long that took each. */
  async finish(keys: readonly string[]): Promise<Start[]> {
    await eventually(() => this.#missing(keys), 120);
    return this.#measure(keys);
  }

  /** Waits until the pods run and have gone on to send to everyone. */
  async flood(keys: readonly string[]): Promise<void> {
    await eventually(async () => keys.find((key) => !isRunning(this.lab, key)), 60);
    const before = new Map(await Promise.all(keys.map(async (key) => [key, (await this.report(key)).sent] as const)));
    await eventually(async () => {
      for (const key of keys) {
        const { sent } = await this.report(key);
        for (const address of this.#addressesOf(everyone)) {
          const count = (sent[address] ?? 0) - (before.get(key)![address] ?? 0);
          if (count < 20) return `${key} has sent only ${count} packets to ${address}`;
        }
      }
      return undefined;
    });
  }

  /** What came to a pod that was started. */
  report(key: string): Promise<FloodReport> {
    return this.#started.get(key)!.report();
  }

  /** What came to a friend or foe. */
  peerReport(key: string): Promise<FloodReport> {
    return this.#peers.get(key)!.report();
  }

  /** What came to foes from anybody, and to these pods from foes, in words. */
  async findForbidden(keys: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const foe of foes) {
      const { seen, segments } = await this.peerReport(foe);
      found.push(...Object.entries(seen).map(([from, { counts }]) => `${from} → ${foe}: ${JSON.stringify(counts)}`));
      found.push(...Object.entries(segments).map(([from, each]) => `${from} → ${foe}: TCP ${JSON.stringify(each)}`));
    }
    const foeAddresses = new Set(this.#addressesOf(foes));
    for (const key of keys) {
      const { seen, segments } = await this.report(key);
      for (const foe of foes) if (seen[foe]) found.push(`${foe} → ${key}: ${JSON.stringify(seen[foe].counts)}`);
      for (const [from, each] of Object.entries(segments)) {
        if (foeAddresses.has(from)) found.push(`${from} → ${key}: TCP ${JSON.stringify(each)}`);
      }
    }
    return found;
  }

  /** Nothing came from these pods to friends, nor from anybody to them. */
  async assertShut(keys: readonly string[]): Promise<void> {
    assert.deepEqual(await this.findForbidden(keys), []);
    for (const friend of friends) {
      const { seen } = await this.peerReport(friend);
      const heard = keys.filter((key) => seen[key] !== undefined);
      assert.deepEqual(heard, [], `whom ${friend} has heard`);
    }
    for (const key of keys) {
      const { seen, segments } = await this.report(key);
      assert.deepEqual([seen, segments], [{}, {}], `what came to ${key}`);
    }
  }

  /** However much these pods go on to send, nothing comes any more from them to friends or foes, nor to them. */
  async assertFallSilent(keys: readonly string[]): Promise<void> {
    const came = async (): Promise<string> => {
      const own = await Promise.all(keys.map(async (key) => (await this.report(key)).seen));
      const reports = await Promise.all(everyone.map((key) => this.peerReport(key)));
      return JSON.stringify([own, reports.map(({ seen }) => keys.map((key) => seen[key] ?? null))]);
    };
    await eventually(async () => {
      const before = await came();
      await this.flood(keys);
      const now = await came();
      return before === now ? undefined : `${before} had come, and then ${now}`;
    });
  }

  /** Friends go on to hear a pod, and it them. */
  async assertGoesOn(key: string): Promise<void> {
    const count = async (): Promise<number[]> => {
      const reports = await Promise.all(friends.map((friend) => this.peerReport(friend)));
      const own = await this.report(key);
      const seen = [...reports.map((report) => report.seen[key]!), ...friends.map((friend) => own.seen[friend]!)];
      return seen.flatMap(({ counts }) => [counts.udp4!, counts.udp6!]);
    };
    const before = await count();
    await eventually(async () => {
      const more = (await count()).map((each, index) => each - before[index]!);
      return more.every((each) => each > 20) ? undefined : `what came more with ${key}: ${more.join()}`;
    });
  }

  /** Ends them, and waits until they are gone. */
  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.lab.store.delete('pods', objectKey(key));
    await this.lab.settle();
    for (const key of keys) this.#started.delete(key);
  }

  async close(): Promise<void> {
    await this.lab.down();
  }

  async #startPeers(): Promise<void> {
    const targets = this.#rangeTargets();
    for (const key of everyone) {
      const { namespace } = this.lab.station(key).process;
      this.#peers.set(key, await Flooder.start(namespace, key, targets));
    }
  }

  /** What pods on n1 may get. */
  #rangeTargets(): FloodTarget[] {
    const free = poolAddresses(this.lab, 'n1', podAddresses, this.#addressesOf(everyone));
    return free.map((address) => ({ address, udp: 40, tcp: 400, talk: true }));
  }

  #addressesOf(keys: readonly string[]): string[] {
    return keys.flatMap((key) => families.map((family) => stationAddress(this.lab.station(key), family)!));
  }

  async #missing(keys: readonly string[]): Promise<string | undefined> {
    const reports = new Map<string, FloodReport>();
    for (const friend of friends) reports.set(friend, await this.peerReport(friend));
    for (const key of keys) {
      if (this.#started.get(key)?.hasEnded !== false) return `${key} has no network`;
      const own = await this.report(key);
      for (const friend of friends) {
        const { counts: there = {} } = reports.get(friend)!.seen[key] ?? {};
        const { counts: here = {} } = own.seen[friend] ?? {};
        for (const transport of transports) {
          if (!there[transport]) return `${transport} from ${key} to ${friend}`;
          if (!here[transport]) return `${transport} from ${friend} to ${key}`;
        }
      }
    }
    return undefined;
  }

  async #measure(keys: readonly string[]): Promise<Start[]> {
    const added = await readAddTimes(this.lab, 'n1');
    const reports = await Promise.all(friends.map((friend) => this.peerReport(friend)));
    return keys.map((key) => {
      const first = Math.min(...reports.map(({ seen }) => seen[key]!.first));
      return { key, milliseconds: Math.max(0, first * 1000 - added.get(key)!) };
    });
  }
}

function eagerly(address: string): FloodTarget {
  return { address, udp: 20, tcp: 200, eager: true };
}

function isRunning(lab: Lab, key: string): boolean {
  const { status } = lab.store.get('pods', objectKey(key)) as { status?: { phase?: string } };
  return status?.phase === 'Running';
}
