import type { Nft } from '../../apply/nft.ts';
import type { Family } from '../../model/address.ts';
import {
  denialObjects,
  readCount,
  readDenials,
  recordsKeptMs,
  type RecordedDenial,
  type RecordedVerdict,
} from '../../compile/denials.ts';
import type { Direction } from '../../model/policy.ts';

/** What was denied, or would be by policies in audit, in one direction and family since the previous look. */
export interface DenialLook {
  readonly verdict: RecordedVerdict;
  readonly direction: Direction;
  readonly family: Family;
  /** The pod in whose network namespace it was denied; missing for the node. */
  readonly place?: string;
  /** Packets with this verdict, and how many of them the kernel recorded with their connections. Records that have expired unread do not count. */
  readonly denied: number;
  readonly noted: number;
  /** The kernel's records of the last minute, including those from before the previous look. */
  readonly denials: readonly RecordedDenial[];
  /** When the records were read, in milliseconds of a monotonic clock. */
  readonly at: number;
}

type Count = ReturnType<typeof readCount>;

const none: Count = { packets: 0, handle: undefined };

/** Reads the counters of denied packets. If a counter has increased, it also reads the kernel's records of denied connections. */
export class DenialReader {
  readonly #nft: Pick<Nft, 'listChain' | 'listSet'>;
  readonly #now: () => number;
  /** The counters at the last successful look. A chain that did not exist then starts at 0. */
  #counted: ReadonlyMap<string, Count> | undefined;
  #countedAt = -Infinity;

  constructor(nft: Pick<Nft, 'listChain' | 'listSet'>, now: () => number) {
    this.#nft = nft;
    this.#now = now;
  }

  /**
   * Resolves with the directions and families in which packets were denied. The first look returns all of them, and sets the baseline. Rejects with an NftError.
   * @param hasAudits whether a policy in audit selects a pod here; without one, there is nothing to read
   */
  async look(signal: AbortSignal, hasAudits: boolean): Promise<DenialLook[]> {
    const looks: DenialLook[] = [];
    const before = this.#counted;
    const counted = new Map(before);
    const begun = this.#now();
    const isLate = begun - this.#countedAt > recordsKeptMs;
    for (const { verdict, direction, family, table, deniedChain, notedChain, set } of denialObjects) {
      if (verdict === 'audit' && !hasAudits) continue;
      const keyOf = (chain: string): string => `${table} ${chain}`;
      const grown = async (chain: string): Promise<number> => {
        const json = await this.#nft.listChain(table, chain, signal);
        const count = json === undefined ? none : readCount(chain, json);
        counted.set(keyOf(chain), count);
        const last = before?.get(keyOf(chain)) ?? (before ? none : count);
        // A counter starts at 0 when the agent writes its chain again. It may have reached the same number since.
        const isSame = count.handle === last.handle && count.packets >= last.packets;
        return isSame ? count.packets - last.packets : count.packets;
      };
      const denied = await grown(deniedChain);
      if (denied === 0 && before) continue;
      const notedByNow = await grown(notedChain);
      // Packets that were denied between the two readings count at the next look, in both numbers.
      const { packets, handle } = counted.get(keyOf(notedChain))!;
      counted.set(keyOf(notedChain), { packets: packets - Math.max(0, notedByNow - denied), handle });
      const json = await this.#nft.listSet(table, set, signal);
      const denials = json === undefined ? [] : readDenials(json);
      const readable = isLate ? denials.reduce((sum, each) => sum + each.packets, 0) : Infinity;
      const noted = Math.min(notedByNow, denied, readable);
      looks.push({ verdict, direction, family, denied, noted, denials, at: this.#now() });
    }
    [this.#counted, this.#countedAt] = [counted, begun];
    return looks;
  }
}
