import { describeLinks } from '../../apply/devices.ts';
import { exec as runProgram, type Exec } from '../../apply/exec.ts';
import { execWithin, openNetworkNamespace, type NetworkNamespace } from '../../apply/network-namespace.ts';
import type { Compiled } from '../../compile/compile.ts';
import type { PodRuleOptions } from '../../compile/pod-tables.ts';
import type { NodeFact, ResourceEvent, Sandbox } from '../../model/cluster.ts';
import type { Issue } from '../../model/issue.ts';
import type { LocalPod, PodKey, Snapshot } from '../../model/snapshot.ts';
import type { Clock } from '../clock.ts';
import type { DenialLook } from '../denials/denial-reader.ts';
import { CompareRounds } from './compare-rounds.ts';
import { chooseToRead } from './denial-rounds.ts';
import { judgeInterfaces, mustLookInside } from './judge-interfaces.ts';
import { PodNetwork, type PodNetworkOptions } from './pod-network.ts';
import type { PodTurns } from './pod-kernel.ts';
import {
  hasFailed,
  isInForce,
  isSameInside,
  issuesOf,
  nameOf,
  obstacleOf,
  pathOf,
  type Entry,
} from './sandbox-entry.ts';
import { limitTurns } from './turns.ts';

export interface PodNetworksOptions {
  readonly rules: PodRuleOptions;
  readonly netlink: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asks for a plan of the node: a pod waits for its rules. */
  readonly changed: () => void;
  readonly events: Pick<PodNetworkOptions['events'], 'stageDone' | 'wrote'> & {
    /** `isForeign`: another program has changed the tables. */
    readonly drifted: (pod: string, isForeign: boolean) => void;
    readonly failed: (pod: string, error: unknown, retryIn?: number) => void;
  };
  readonly open?: (path: string) => NetworkNamespace;
  readonly exec?: Exec;
}

/** Milliseconds between two looks for changes by other programs, and between two looks whether the namespaces are still there. */
export const lookEveryMs = 300;
const checkEveryMs = 5000;
/** Changes of pods at a time. */
const mostAtOnce = 2;
/** What hostile pods cause takes at most a fifth of the time; regular comparisons take at most another fifth. */
const restShare = 4;
/**
 * The pods whose policies are enforced in their own network namespaces: macvlan, ipvlan, SR-IOV, and additional networks. Each has a reconciler of its own, which a change
 * of the node's rules starts. One pod that fails delays no other.
 */
export class PodNetworks {
  readonly #options: PodNetworksOptions;
  readonly #entries = new Map<string, Entry>();
  /** Live sandboxes that the agent need not look into, by id. */
  readonly #ordinary = new Map<string, Sandbox>();
  readonly #turns: PodTurns;
  readonly #closing = new Set<Promise<void>>();
  readonly #rounds = new CompareRounds<PodNetwork>();
  #isSampling = false;
  #sampleAt = 0;
  /** Called after each change of what `wait` waits for. */
  readonly #waiting: (() => void)[] = [];
  #checkAt = 0;
  #nextRead = 0;

  constructor(options: PodNetworksOptions) {
    this.#options = options;
    const { clock } = options;
    this.#turns = { write: limitTurns(mostAtOnce, clock), compare: limitTurns(1, clock, restShare) };
  }

  receive(event: ResourceEvent | NodeFact): void {
    if (event.op !== 'sandbox') return;
    const { id, value } = event;
    const known = this.#entries.get(id);
    if (value && known && isSameInside(value, known.sandbox)) return;
    if (known) this.#drop(id);
    this.#ordinary.delete(id);
    if (!value?.live) return;
    if (!mustLookInside(value)) {
      this.#ordinary.set(id, value);
      this.#supersede(value);
      return;
    }
    const entry: Entry = { sandbox: value, state: 'looking' };
    this.#entries.set(id, entry);
    void this.#look(entry);
  }

  /** Takes a compile of the node, at once after it. */
  take(compiled: Compiled, snapshot: Snapshot): void {
    for (const network of this.#networks()) network.take(compiled, snapshot);
  }

  /** All pods have the newest rules, except those whose failure has been reported. */
  get isSettled(): boolean {
    return this.#entries
      .values()
      .every(
        ({ state, failure }) =>
          failure !== undefined || (typeof state === 'object' ? state.isSettled : state !== 'looking'),
      );
  }

  /**
   * Resolves with `undefined` when the rules of now, or later ones, are in force inside of the pod, or when the node judges all of its packets. Resolves with why not if
   * the signal aborts, or if the sandbox ends. To be called when the watch has emitted the sandbox, and when the node's rules are those of the pod.
   * @param id of the sandbox
   */
  async wait(id: string, signal: AbortSignal): Promise<string | undefined> {
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      let wanted: { readonly network: PodNetwork; readonly version: number } | undefined;
      for (;;) {
        if (this.#ordinary.has(id)) return undefined;
        const entry = this.#entries.get(id);
        if (!entry) return 'the agent does not know the sandbox of the pod any more';
        const { state } = entry;
        // Not the newest rules: with many changes, each plan is old before it is in force.
        if (typeof state === 'object' && state !== wanted?.network)
          wanted = { network: state, version: Math.max(1, state.version) };
        const obstacle = obstacleOf(entry, wanted?.version ?? 1);
        if (obstacle === undefined || signal.aborted) return obstacle;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** As `inspect` of the Reconciler, for the rules inside of a pod. A pod whose packets the node judges has none. */
  async inspect(id: string): ReturnType<PodNetwork['inspect']> {
    const state = this.#entries.get(id)?.state;
    if (typeof state === 'object') return state.inspect();
    return state === 'outside' || this.#ordinary.has(id) ? [] : undefined;
  }

  /** How many pods are enforced inside, and how many are not because something failed. */
  get counts(): { readonly enforced: number; readonly failing: number } {
    const entries = [...this.#entries.values()];
    return { enforced: entries.filter(isInForce).length, failing: entries.filter(hasFailed).length };
  }

  /** Whether rules are in force inside of the pod for the addresses that policies know. */
  covers(pod: LocalPod): boolean {
    return this.#entriesOf(pod).some(({ state }) => {
      return typeof state === 'object' && state.isInForce && state.interfaces.judgedByNode.length === 0;
    });
  }

  /** By pod, what is wrong inside. */
  issues(pods: Iterable<LocalPod>): Map<PodKey, Issue[]> {
    const now = this.#options.clock.now();
    return new Map(
      [...pods].flatMap((pod) => {
        const issues = this.#entriesOf(pod).flatMap((entry) => issuesOf(entry, now));
        return issues.length > 0 ? [[pod.key, issues] as const] : [];
      }),
    );
  }

  /** Looks for changes by other programs, and for namespaces that are gone. To be called regularly. */
  async look(): Promise<void> {
    const { clock } = this.#options;
    if (clock.now() >= this.#checkAt) {
      this.#checkAt = clock.now() + checkEveryMs;
      for (const [id, entry] of this.#entries) this.#check(id, entry);
      void this.#sample();
    }
    await Promise.all(Array.from(this.#networks(), (network) => network.look().catch(() => {})));
  }

  /**
   * Whole seconds since the tables in the pod that was compared the longest ago were as they should be; `undefined` without such pods. It finds what the generation does
   * not show: a write of the agent that did something else than was meant.
   */
  get comparedSecondsAgo(): number | undefined {
    const ago = this.#rounds.oldest(this.#inForce(), this.#options.clock.now());
    return ago === undefined ? undefined : Math.round(ago / 1000);
  }

  /**
   * Compares the tables of some pods, one after the other. It takes none of the turns: the reconciler of a pod waits for those, and a comparison waits for the reconciler.
   * The pause afterwards bounds what pods with large tables cost. Never rejects.
   */
  async #sample(): Promise<void> {
    const { clock } = this.#options;
    const begun = clock.now();
    if (this.#isSampling || begun < this.#sampleAt) return;
    this.#isSampling = true;
    try {
      for (const network of this.#rounds.next(this.#inForce(), begun)) {
        const at = clock.now();
        if (await network.compare()) this.#rounds.same(network, at);
      }
    } finally {
      this.#sampleAt = clock.now() + restShare * (clock.now() - begun);
      this.#isSampling = false;
    }
  }

  #inForce(): PodNetwork[] {
    return [...this.#networks()].filter(({ isInForce: holds }) => holds);
  }

  /** What was denied in some of the pods since their last turn. */
  async lookForDenials(signal: AbortSignal, hasAudits: boolean): Promise<DenialLook[]> {
    const { chosen, next } = chooseToRead(this.#inForce(), this.#nextRead);
    this.#nextRead = next;
    const looks: DenialLook[] = [];
    // A namespace may just have gone, and a pod may have deleted its table. What expires before the next turn counts as not recorded.
    for (const network of chosen) looks.push(...(await network.lookForDenials(signal, hasAudits).catch(() => [])));
    return looks;
  }

  /** The rules stay. */
  async close(): Promise<void> {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
    await Promise.all(this.#closing);
  }

  *#networks(): Generator<PodNetwork> {
    for (const { state } of this.#entries.values()) if (typeof state === 'object') yield state;
  }

  #entriesOf({ key, mirrorOf }: LocalPod): Entry[] {
    const [namespace, name, uid] = key.split('/') as [string, string, string];
    const entries = [...this.#entries.values()];
    return entries.filter(({ sandbox }) => {
      return sandbox.namespace === namespace && sandbox.name === name && sandbox.uid === (mirrorOf ?? uid);
    });
  }

  /** After a reboot, an old record may name a namespace that another pod has by now: the newest record counts. */
  #isSuperseded({ sandbox }: Entry): boolean {
    this.#supersede(sandbox);
    const isLater = (other: Sandbox): boolean => other.order > sandbox.order && pathOf(other) === pathOf(sandbox);
    return this.#entries.values().some((other) => isLater(other.sandbox)) || this.#ordinary.values().some(isLater);
  }

  /** Leaves the namespace to this sandbox where the record of an earlier one names it. */
  #supersede(later: Sandbox): void {
    const path = pathOf(later);
    if (path === undefined) return;
    for (const entry of this.#entries.values()) {
      const { sandbox, state } = entry;
      if (pathOf(sandbox) !== path || sandbox.order >= later.order || typeof state !== 'object') continue;
      this.#close(state);
      entry.state = 'superseded';
    }
  }

  #check(id: string, entry: Entry): void {
    const { state } = entry;
    if (typeof state === 'object' && !state.namespace.isCurrent()) {
      // An agent that held the namespace of a pod that is gone would keep its devices.
      this.#drop(id);
      const again: Entry = { sandbox: entry.sandbox, state: 'looking' };
      this.#entries.set(id, again);
      void this.#look(again);
    } else if (entry.failure !== undefined && state === 'looking' && !entry.isLooking) void this.#look(entry);
  }

  #drop(id: string): void {
    const state = this.#entries.get(id)?.state;
    this.#entries.delete(id);
    this.#wake();
    if (typeof state === 'object') this.#close(state);
  }

  #close(network: PodNetwork): void {
    const closing = network.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Finds the interfaces of the pod whose packets the node does not judge. If there are any, opens a PodNetwork for the pod. Never rejects. */
  async #look(entry: Entry): Promise<void> {
    const { open = openNetworkNamespace, exec = runProgram, signal, changed } = this.#options;
    const { sandbox } = entry;
    const isWanted = (): boolean => this.#entries.get(sandbox.id) === entry && !signal.aborted;
    let namespace: NetworkNamespace | undefined;
    if (this.#isSuperseded(entry)) return void (entry.state = 'superseded');
    entry.isLooking = true;
    try {
      namespace = open(sandbox.interfaces![0]!.namespace);
      const devices = sandbox.interfaces!.map(({ device }) => device);
      const links = await describeLinks(execWithin(exec, namespace), devices, signal);
      const kinds = new Map(Array.from(links, ([name, { kind }]) => [name, kind] as const));
      const interfaces = judgeInterfaces(sandbox, kinds);
      delete entry.failure;
      // A later sandbox may have come meanwhile.
      if (this.#isSuperseded(entry)) entry.state = 'superseded';
      else if (interfaces.inside.length === 0) entry.state = 'outside';
      if (entry.state !== 'looking' || !isWanted()) return namespace.close();
      entry.state = new PodNetwork({ ...this.#partsFor(entry), sandbox, interfaces, namespace });
      changed();
    } catch (error) {
      namespace?.close();
      if (!isWanted()) return;
      if (entry.failure === undefined) this.#options.events.failed(nameOf(sandbox), error);
      entry.failure = error;
    } finally {
      entry.isLooking = false;
      this.#wake();
    }
  }

  #partsFor(entry: Entry): Omit<PodNetworkOptions, 'sandbox' | 'interfaces' | 'namespace'> {
    const { rules, netlink, clock, events } = this.#options;
    const pod = nameOf(entry.sandbox);
    const { stageDone, wrote } = events;
    return {
      rules,
      netlink,
      clock,
      turns: this.#turns,
      events: {
        stageDone,
        wrote,
        drifted(isForeign) {
          if (isForeign) entry.driftedAt = clock.now();
          events.drifted(pod, isForeign);
        },
        failed(error, retryIn) {
          if (entry.failure === undefined) events.failed(pod, error, retryIn);
          entry.failure = error;
        },
        applied: () => {
          delete entry.failure;
          this.#wake();
        },
      },
    };
  }
}
