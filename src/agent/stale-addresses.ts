import { comingAddresses } from '../compile/coming-addresses.ts';
import type { Compiled } from '../compile/compile.ts';
import { holdsAddress, mergeRanges, parseAddress, parseCidr } from '../model/address.ts';
import type { LocalPod, Snapshot } from '../model/snapshot.ts';
import type { Ruleset } from '../nftables/ruleset.ts';

type LocalAddresses = Pick<Snapshot, 'localPods' | 'denied' | 'gatedRanges'>;

/** Stands for unknown pods that may use an address. No pod has this key. */
const anyone = 'anyone';

/** The pod that owns each local address. A denied address keeps its last owner, if it had one. */
type Owners = ReadonlyMap<string, string | undefined>;

/**
 * The local addresses that connections of an earlier pod may still name (S5.17). The gate drops the packets of an address without a pod, so once
 * its connections were flushed, no new ones name it. Only addresses in gated ranges count: outside of them, a pod may open
 * connections of its own before its rules are in the kernel.
 */
export class StaleAddresses {
  #owners: Owners | undefined;
  /** The object of the compile from which the owners are. Each change of local pods or denied addresses makes a new object. */
  #localAddresses: Compiled['localAddresses'] | undefined;
  /** Undefined until the connections were listed: any address may be stale. */
  #named: ReadonlySet<string> | undefined;
  /** Addresses that lose their pod with a change that is not in force yet. When it is, they move to `#left`, and a flush moves them to `#flushing`. */
  readonly #leaving = new Set<string>();
  #left = new Set<string>();
  #flushing: ReadonlySet<string> = new Set();
  /** Whether the gate is in the kernel as written, and has been since the flush began. */
  #isGateInForce = false;
  #wasGateInForce = false;

  /**
   * Takes note of a change that is about to be applied. Returns the stale addresses that pass to a pod with it. The first call compares with what
   * the kernel holds. If it holds nothing, pods may have run for long.
   */
  takeComing(
    snapshot: LocalAddresses,
    { ruleset, localAddresses }: Pick<Compiled, 'ruleset' | 'localAddresses'>,
    held: Ruleset | undefined,
  ): string[] {
    if (this.#localAddresses === localAddresses) return [];
    const before = this.#owners;
    const owners = ownersIn(snapshot, before);
    this.#owners = owners;
    this.#localAddresses = localAddresses;
    const gated = mergeRanges(snapshot.gatedRanges.flatMap((range) => parseCidr(range) ?? []));
    const isGated = (address: string): boolean => holdsAddress(gated, parseAddress(address)!);
    const coming = before
      ? this.#changed(before, owners)
      : held
        ? [...comingAddresses(held, ruleset), ...deniedIn(snapshot)]
        : [];
    // After `#changed`, because an address that left and passes to a pod again is stale.
    for (const [address, owner] of owners) if (owner !== undefined) this.#forget(address);
    for (const address of before?.keys() ?? []) {
      if (!owners.has(address) && isGated(address)) this.#leaving.add(address);
    }
    return [...new Set(coming)].filter(isGated);
  }

  /** The noted changes are in force: the kernel accepts no new connections of the addresses that left. */
  applied(): void {
    this.#isGateInForce = true;
    for (const address of this.#leaving) this.#left.add(address);
    this.#leaving.clear();
  }

  /** Whether a flush would make addresses clean before a pod gets them. */
  get isFlushDue(): boolean {
    return this.#isGateInForce && (this.#named === undefined || this.#left.size > 0);
  }

  /** The gate may have been open, or was on other addresses: any address may be stale again. */
  reset(): void {
    this.#named = undefined;
    this.#isGateInForce = false;
    this.#wasGateInForce = false;
  }

  /** Begins a flush of the addresses that left, and returns them. `flushed` or `failed` ends it. */
  begin(): ReadonlySet<string> {
    this.#wasGateInForce = this.#isGateInForce;
    this.#flushing = this.#left;
    this.#left = new Set();
    return this.#flushing;
  }

  /** @param named the addresses in gated ranges that connections name after the flush */
  flushed(named: ReadonlySet<string>): void {
    if (this.#wasGateInForce) this.#named = named;
    this.#flushing = new Set();
  }

  failed(): void {
    for (const address of this.#flushing) if (this.#owners?.get(address) === undefined) this.#left.add(address);
    this.#flushing = new Set();
  }

  #changed(before: Owners, now: Owners): string[] {
    return [...now].flatMap(([address, owner]) => {
      if (!before.has(address)) return this.#isStale(address) ? [address] : [];
      // An address that was denied when it came was stale then, or has been closed since.
      const last = before.get(address);
      return last !== undefined && last !== owner ? [address] : [];
    });
  }

  #isStale(address: string): boolean {
    const known = [this.#named, this.#leaving, this.#left, this.#flushing];
    return known.some((addresses) => !addresses || addresses.has(address));
  }

  #forget(address: string): void {
    this.#leaving.delete(address);
    this.#left.delete(address);
  }
}

/** The addresses that are denied in both directions. */
function deniedIn({ denied }: LocalAddresses): string[] {
  return denied
    .entries()
    .flatMap(([address, { size }]) => (size === 2 ? [address] : []))
    .toArray();
}

function ownersIn({ localPods, denied }: LocalAddresses, before: Owners | undefined): Owners {
  const owners = new Map<string, string | undefined>();
  // If an address is not denied in both directions, a pod that this node does not know may use it.
  for (const [address, { size }] of denied) owners.set(address, size < 2 ? anyone : before?.get(address));
  for (const pod of localPods.values()) for (const address of pod.addresses) owners.set(address, identityOf(pod));
  return owners;
}

/** A mirror pod that is created again is the same static pod, in the same sandbox. */
function identityOf({ key, mirrorOf }: LocalPod): string {
  return mirrorOf ?? key;
}
