import { leaseBody, leaseNameOf, readLease, type HeldReport } from './held-report.ts';
import { isRefusal, microTime, type LeaseClient } from './lease-client.ts';
import type { StatusObserver } from './status-observer.ts';

interface Options {
  readonly node: string;
  /** The uid of the Node object; `undefined` if there is none. */
  readonly nodeUid: () => string | undefined;
  /** Missing while there is nothing to report. */
  readonly report: () => HeldReport | undefined;
  /** The number of nodes of the cluster. */
  readonly nodes: () => number;
  readonly leases: LeaseClient;
  readonly now: () => number;
  readonly wallTime: () => number;
  readonly random: () => number;
  readonly observer: Pick<StatusObserver, 'wrote'>;
}

/** All agents together write so many reports a second at most, and may all have one to write at the same moment. */
const reportsPerSecond = 20;
/** One agent writes at most so often, in milliseconds. */
const shortestInterval = 2000;
/** Somebody may delete or change a report. The agent looks so often, on average, in milliseconds, and less often in a cluster of more than 1,000 nodes. */
const checkMs = 600_000;
const lookMs = 1000;

/** Writes what this node's kernel holds of the ClusterNetworkPolicies into the Lease of the node, when it changes (S10.29). */
export class HeldWriter {
  readonly #options: Options;
  /** What the Lease holds; `undefined` if that is not known. */
  #known: string | undefined;
  #checkAt: number;
  #wroteAt = -Infinity;
  #due: number | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#checkAt = options.now() + options.random() * this.#spread;
  }

  /** Writes if it is time to. Resolves with the milliseconds until it wants to be called again. Rejects with an ApiError. */
  async look(): Promise<number> {
    const { node, nodeUid, report, leases, now, wallTime, random, observer } = this.#options;
    const [uid, held] = [nodeUid(), report()];
    if (uid === undefined || held === undefined) return lookMs;
    if (now() >= this.#checkAt) await this.#check();
    if (this.#known === undefined) return Math.min(lookMs, Math.max(0, this.#checkAt - now()));
    const wanted = { node, nodeUid: uid, ...held };
    if (textOf(wanted) === this.#known) {
      this.#due = undefined;
      return lookMs;
    }
    const interval = Math.max(shortestInterval, this.#spread);
    this.#due ??= Math.max(now() + random() * this.#spread, this.#wroteAt + interval);
    const pause = this.#due - now();
    if (pause > 0) return Math.min(lookMs, pause);
    [this.#due, this.#wroteAt] = [undefined, now()];
    const [name, body] = [leaseNameOf(node), leaseBody(wanted, microTime(wallTime()))];
    try {
      await leases.patch(name, body);
    } catch (error) {
      if (!isRefusal(error, 404)) throw error;
      await leases.create(name, body);
    }
    this.#known = textOf(wanted);
    observer.wrote('report', 'written');
    return lookMs;
  }

  async #check(): Promise<void> {
    const { node, nodes, leases, now, random } = this.#options;
    this.#known = textOf(readLease(await leases.get(leaseNameOf(node))));
    this.#checkAt = now() + Math.max(checkMs, (nodes() / 1000) * checkMs) * (0.5 + random());
  }

  /** Milliseconds over which the writes of all agents are spread. */
  get #spread(): number {
    return (this.#options.nodes() / reportsPerSecond) * 1000;
  }
}

function textOf(report: ReturnType<typeof readLease>): string {
  return report ? [report.nodeUid, report.held, report.leftOut].join('/') : '';
}
