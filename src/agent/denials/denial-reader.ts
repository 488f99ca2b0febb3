import type { Nft } from '../../apply/nft.ts';
import type { Family } from '../../model/address.ts';
import { denialObjects, readCount, readDenials, type RecordedDenial } from '../../compile/denials.ts';
import type { Direction } from '../../model/policy.ts';

/** What was denied in one direction and family since the look before. */
export interface DenialLook {
  readonly direction: Direction;
  readonly family: Family;
  /** Packets, and how many of them the kernel has noted by their connections. */
  readonly denied: number;
  readonly noted: number;
  /** What it has noted in the last minute, also before that look. */
  readonly denials: readonly RecordedDenial[];
  /** When that was read, in milliseconds of a clock that never goes back. */
  readonly at: number;
}

/** Looks at the counters of what is denied, and where one has moved, at what the kernel has noted. */
export class DenialReader {
  readonly #nft: Pick<Nft, 'listChain' | 'listSet'>;
  readonly #now: () => number;
  /** What the chains had counted at the last look that went well; a chain that was not there counts from 0. */
  #counted: ReadonlyMap<string, number> | undefined;

  constructor(nft: Pick<Nft, 'listChain' | 'listSet'>, now: () => number) {
    this.#nft = nft;
    this.#now = now;
  }

  /** Where something was denied. The first time everywhere, from which on it is counted. Rejects with an NftError. */
  async look(signal: AbortSignal): Promise<DenialLook[]> {
    const looks: DenialLook[] = [];
    const before = this.#counted;
    const counted = new Map(before);
    for (const { direction, family, table, deniedChain, notedChain, set } of denialObjects) {
      const keyOf = (chain: string): string => `${table} ${chain}`;
      const grown = async (chain: string): Promise<number> => {
        const json = await this.#nft.listChain(table, chain, signal);
        const count = json === undefined ? 0 : readCount(chain, json);
        counted.set(keyOf(chain), count);
        const last = before?.get(keyOf(chain)) ?? (before ? 0 : count);
        // Written anew, it counts from 0.
        return count >= last ? count - last : count;
      };
      const denied = await grown(deniedChain);
      if (denied === 0 && before) continue;
      const notedByNow = await grown(notedChain);
      const noted = Math.min(notedByNow, denied);
      // What was denied between the two readings is told next time, in both.
      counted.set(keyOf(notedChain), counted.get(keyOf(notedChain))! - (notedByNow - noted));
      const json = await this.#nft.listSet(table, set, signal);
      const denials = json === undefined ? [] : readDenials(json);
      looks.push({ direction, family, denied, noted, denials, at: this.#now() });
    }
    this.#counted = counted;
    return looks;
  }
}
