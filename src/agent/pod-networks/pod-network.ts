import { openGenerationReader } from '../../apply/generation.ts';
import type { NetworkNamespace } from '../../apply/network-namespace.ts';
import type { Compiled } from '../../compile/compile.ts';
import { believeDenials } from '../../compile/denials.ts';
import type { PodRuleOptions } from '../../compile/pod-tables.ts';
import { messageOf } from '../../lib/message-of.ts';
import type { Sandbox } from '../../model/cluster.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { Ruleset } from '../../nftables/ruleset.ts';
import { tablesUnlike } from '../../plan/plan.ts';
import type { Clock } from '../clock.ts';
import { DenialReader, type DenialLook } from '../denials/denial-reader.ts';
import { Reconciler, type AppliedVersion, type ReconcilerEvents } from '../reconciler.ts';
import { GenerationWatch } from './generation-watch.ts';
import type { JudgedInterfaces } from './judge-interfaces.ts';
import { openPodKernel, type PodKernel, type PodTurns } from './pod-kernel.ts';
import { PodPlanner } from './pod-planner.ts';

export interface PodNetworkOptions {
  readonly sandbox: Sandbox;
  readonly interfaces: JudgedInterfaces;
  readonly namespace: NetworkNamespace;
  readonly rules: PodRuleOptions;
  readonly netlink: boolean;
  readonly clock: Clock;
  readonly turns: PodTurns;
  readonly events: Pick<ReconcilerEvents, 'stageDone'> & {
    readonly wrote: (by: 'netlink' | 'nft') => void;
    /** Our tables are not as the agent wrote them, and it restores them. `isForeign`: another program has written there. */
    readonly drifted: (isForeign: boolean) => void;
    readonly failed: (error: unknown, retryIn: number) => void;
    readonly applied: () => void;
  };
}

/** Packets of one direction and family that count for a pod at a look: a pod with NET_ADMIN can write any number into the counters. */
const mostDenied = 10_000_000;

/** No connections of an earlier pod are in the namespace of a new one, and every packet is judged. */
const connections = { denyStale: () => false, applied: () => {}, distrust: () => {} };

/** One pod whose policies are enforced in its own network namespace: the same reconciler as for the node, with the tables of the pod. */
export class PodNetwork {
  readonly sandbox: Sandbox;
  readonly interfaces: JudgedInterfaces;
  readonly namespace: NetworkNamespace;
  readonly #planner: PodPlanner;
  readonly #kernel: PodKernel;
  readonly #generations: ReturnType<typeof openGenerationReader>;
  readonly #watch: GenerationWatch;
  readonly #denials: DenialReader;
  readonly #reconciler: Reconciler;
  readonly #end = new AbortController();
  #written: Ruleset | undefined;
  /** A comparison found a difference, and no other program has written. */
  #isDoubted = false;
  /** The version of the rules that are in force; 0 if none are. */
  #applied = 0;
  /** Why the last change failed. */
  failure: unknown;

  constructor({ sandbox, interfaces, namespace, rules, netlink, clock, turns, events }: PodNetworkOptions) {
    this.sandbox = sandbox;
    this.interfaces = interfaces;
    this.namespace = namespace;
    const { judgedByNode } = interfaces;
    this.#planner = new PodPlanner({ sandbox, judgedByNode, rules });
    this.#kernel = openPodKernel({ namespace, netlink, written: () => this.#written, turns, wrote: events.wrote });
    this.#denials = new DenialReader(this.#kernel.nft, () => clock.now());
    this.#generations = openGenerationReader(namespace.openSocket);
    this.#watch = new GenerationWatch(() => this.#generations.read(), clock);
    let hasDrifted = false;
    this.#reconciler = new Reconciler({
      pipeline: this.#planner,
      kernel: this.#watch.behind(this.#kernel),
      clock,
      connections,
      version: () => ({}) as AppliedVersion,
      signal: this.#end.signal,
      events: {
        stageDone: events.stageDone,
        adopted: () => (this.#written = undefined),
        // Once for each table.
        drifted: () => {
          if (!hasDrifted) events.drifted(!this.#isDoubted);
          hasDrifted = true;
        },
        applied: ({ plan }) => {
          this.#written = plan.result;
          // Not the newest: others may have come while these were written.
          this.#applied = this.#planner.planned;
          this.failure = undefined;
          hasDrifted = false;
          this.#isDoubted = false;
          events.applied();
        },
        failed: (error, retryIn) => {
          this.failure = error;
          events.failed(error, retryIn);
        },
        refused: () => {},
        accepted: () => {},
      },
    });
  }

  /** What was denied inside since the last call, as far as it is credible. Rejects with an NftError. */
  async lookForDenials(signal: AbortSignal, hasAudits: boolean): Promise<DenialLook[]> {
    const { namespace, name, interfaces = [] } = this.sandbox;
    const addresses = new Set(interfaces.flatMap((each) => each.addresses));
    const looks = await this.#denials.look(signal, hasAudits);
    return looks.map((look) => ({
      ...look,
      place: `${namespace}/${name}`,
      denied: Math.min(look.denied, mostDenied),
      noted: Math.min(look.noted, mostDenied),
      denials: believeDenials(look.denials, addresses),
    }));
  }

  /** Takes what the node has compiled, at once after it. */
  take(compiled: Compiled, snapshot: Snapshot): void {
    if (this.#planner.take(compiled, snapshot)) this.#reconciler.changed();
  }

  /** The newest rules are in force, or the agent has reported why they are not. */
  get isSettled(): boolean {
    return this.obstacle(this.version) === undefined || this.failure !== undefined;
  }

  /** The version of the newest rules; 0 if nothing has been compiled yet. */
  get version(): number {
    return this.#planner.version;
  }

  /** Why rules of this version, or later ones, are not in force; `undefined` if they are. */
  obstacle(version: number): string | undefined {
    if (this.failure !== undefined)
      return `the agent cannot write the rules in the pod's network namespace: ${messageOf(this.failure)}`;
    const holds = this.#applied > 0 && this.#applied >= version;
    return holds ? undefined : "the rules are not in the pod's network namespace yet";
  }

  /** Rules are in force: the newest, or those of before a change that is under way. */
  get isInForce(): boolean {
    return this.#written !== undefined && this.failure === undefined;
  }

  /** As `inspect` of the Reconciler. */
  inspect(): ReturnType<Reconciler['inspect']> {
    return this.#reconciler.inspect();
  }

  /**
   * Compares all of our tables with what they should be, between two changes. If they differ, the reconciler restores them. Resolves
   * with whether they were the same; `undefined` if they could not be read, or if what they should be is not known now.
   */
  async compare(): Promise<boolean | undefined> {
    let isSame: boolean | undefined;
    await this.#reconciler.compare(async (should) => {
      try {
        isSame = tablesUnlike(should, await this.#kernel.read(this.#end.signal)).length === 0;
        if (!isSame) this.#isDoubted = !(await this.#watch.hasForeign());
      } catch {
        isSame = undefined;
      }
      return isSame !== false;
    });
    return isSame;
  }

  /** Looks for changes by other programs. To be called regularly. */
  look(): Promise<void> {
    return this.#watch.look(this.#reconciler);
  }

  /** The rules stay. Resolves when nothing uses the namespace any more. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#reconciler.idle();
    this.#kernel.close();
    this.#generations.close();
    this.namespace.close();
  }
}
