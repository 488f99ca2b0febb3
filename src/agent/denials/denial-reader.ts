import type { Nft } from '../../apply/nft.ts';
import { denialObjects, readCount, readDenials, type NotedDenial } from '../../compile/denials.ts';
import { directions, type Direction } from '../../model/policy.ts';

/** What was denied in one direction since the look before. */
export interface DenialLook {
  readonly direction: Direction;
  /** Packets, and how many of them the kernel has noted by their connections. */
  readonly denied: number;
  readonly noted: number;
  /** What it has noted in the last minute, also before that look. */
  readonly denials: readonly NotedDenial[];
}

/** Looks at the counters of what is denied, and where one has moved, at what the kernel has noted. */
export class DenialReader {
  readonly #nft: Pick<Nft, 'listChain' | 'listSet'>;
  /** What the chains had counted at the last look; a chain that was not there counts from 0. */
  readonly #counted = new Map<string, number>();

  constructor(nft: Pick<Nft, 'listChain' | 'listSet'>) {
    this.#nft = nft;
  }

  /** The directions in which something was denied. Rejects with an NftError. */
  async look(signal: AbortSignal): Promise<DenialLook[]> {
    const looks: DenialLook[] = [];
    for (const direction of directions) {
      const { deniedChain, notedChain, sets } = denialObjects[direction];
      const isFirst = !this.#counted.has(deniedChain);
      const denied = await this.#growthOf(deniedChain, signal);
      // What was noted before an agent began is told once more: another may have ended before it could.
      if (denied === 0 && !isFirst) continue;
      const noted = await this.#growthOf(notedChain, signal);
      const denials: NotedDenial[] = [];
      for (const set of sets) {
        const json = await this.#nft.listSet('inet', set, signal);
        if (json !== undefined) denials.push(...readDenials(json));
      }
      looks.push({ direction, denied, noted: Math.min(noted, denied), denials });
    }
    return looks;
  }

  async #growthOf(chain: string, signal: AbortSignal): Promise<number> {
    const json = await this.#nft.listChain('inet', chain, signal);
    const before = this.#counted.get(chain);
    const now = json === undefined ? 0 : readCount(chain, json);
    this.#counted.set(chain, now);
    if (before === undefined) return 0;
    // Written anew, it counts from 0.
    return now >= before ? now - before : now;
  }
}
