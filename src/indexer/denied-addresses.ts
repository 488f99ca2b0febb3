import type { Link } from '../model/cluster.ts';
import type { GateClaims } from '../model/node-state.ts';
import { directions, type Direction } from '../model/policy.ts';
import type { PodKey } from '../model/snapshot.ts';
import { ObservedMap } from './delta-log.ts';
import type { GatedRanges } from './gated-ranges.ts';
import type { Ownership } from '../ownership/ownership.ts';

const bothWays: ReadonlySet<Direction> = new Set(directions);
const neitherWay: ReadonlySet<Direction> = new Set();

/** Computes `Snapshot.denied` and `Snapshot.deniedLinks`. */
export class DeniedAddresses {
  readonly #ownership: Ownership;
  readonly #gatedRanges: GatedRanges;
  readonly #denying: (key: PodKey) => ReadonlySet<Direction>;
  readonly #isHeldBack: (address: string) => boolean;
  readonly #directions: ObservedMap<string, ReadonlySet<Direction>>;
  readonly #links: ObservedMap<string, Link>;
  /** Addresses whose claimants, or the policies of a claimant, changed in this event. */
  readonly #touched = new Set<string>();
  /** Addresses in the gated ranges that pods of other nodes may use, by `#judgedClaims`. */
  #passing: ReadonlySet<string> = new Set();
  #unflushed: ReadonlySet<string> = new Set();
  #judgedClaims: readonly GateClaims[] = [];

  /**
   * @param denying the directions in which policies may deny a pod something
   * @param isHeldBack whether the agent cannot tell which policies select the pod of a local address
   * @param note is called at each change of a result
   */
  constructor(
    ownership: Ownership,
    gatedRanges: GatedRanges,
    denying: (key: PodKey) => ReadonlySet<Direction>,
    isHeldBack: (address: string) => boolean,
    note: () => void,
  ) {
    this.#ownership = ownership;
    this.#gatedRanges = gatedRanges;
    this.#denying = denying;
    this.#isHeldBack = isHeldBack;
    this.#directions = new ObservedMap(note);
    this.#links = new ObservedMap(note);
  }

  get directions(): ReadonlyMap<string, ReadonlySet<Direction>> {
    return this.#directions;
  }

  get links(): ReadonlyMap<string, Link> {
    return this.#links;
  }

  touch(address: string): void {
    this.#touched.add(address);
  }

  /** @param addresses all that are denied until the agent has deleted the connections of their earlier pods */
  setUnflushed(addresses: readonly string[]): void {
    const before = this.#unflushed;
    this.#unflushed = new Set(addresses);
    for (const address of before.symmetricDifference(this.#unflushed)) this.touch(address);
  }

  /** Call it once per event, after all changes of the event. */
  refreshTouched(): void {
    for (const address of this.#touched) this.#refresh(address);
    this.#touched.clear();
  }

  /**
   * Updates the addresses that pass the gate. One claim of another node can change thousands of them (`maxPassing` of `gated-ranges.ts`), so
   * this runs per Snapshot and not per event.
   */
  updatePassing(): void {
    const { claims } = this.#gatedRanges;
    if (claims === this.#judgedClaims) return;
    const before = this.#passing;
    this.#judgedClaims = claims;
    this.#passing = new Set(this.#gatedRanges.passing());
    for (const address of before.symmetricDifference(this.#passing)) this.#refresh(address);
  }

  get size(): number {
    this.updatePassing();
    return this.#directions.size + this.#links.size;
  }

  #refresh(address: string): void {
    const isolated = this.#isolatedIn(address);
    if (isolated) this.#directions.set(address, isolated);
    else this.#directions.delete(address);
    const link = isolated && this.#ownership.linkOf(address);
    if (link) this.#links.set(address, link);
    else this.#links.delete(address);
  }

  /** `undefined` if the address is not denied. */
  #isolatedIn(address: string): ReadonlySet<Direction> | undefined {
    if (this.#ownership.isDenied(address)) return bothWays;
    if (this.#unflushed.has(address) && !this.#ownership.isOfNode(address)) return bothWays;
    if (this.#isHeldBack(address)) return bothWays;
    if (this.#ownership.isContestedHere(address)) return this.#isolatedByContest(address);
    return this.#passing.has(address) && this.#ownership.isElsewhere(address) ? neitherWay : undefined;
  }

  /** S1.10: a contested local address is isolated in each direction in which a claimant is isolated. */
  #isolatedByContest(address: string): ReadonlySet<Direction> {
    const isolated = new Set<Direction>();
    for (const [key] of this.#ownership.claimantsOf(address)) {
      if (this.#ownership.judge(key, address) !== 'contested') continue;
      for (const direction of this.#denying(key)) isolated.add(direction);
    }
    return isolated;
  }
}
