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
  /** What the chains had counted at the last look that went well; a chain that was not there counts from 0. */
  #counted: ReadonlyMap<string, number> = new Map();
  #hasLooked = false;

  constructor(nft: Pick<Nft, 'listChain' | 'listSet'>) {
    this.#nft = nft;
  }

  /** What is counted from now on is what a look tells. Rejects with an NftError. */
  async begin(signal: AbortSignal): Promise<void> {
    const counted = new Map<string, number>();
    for (const direction of directions) {
      const { deniedChain, notedChain } = denialObjects[direction];
      for (const chain of [deniedChain, notedChain]) counted.set(chain, await this.#count(chain, signal));
    }
    this.#counted = counted;
  }

  /** The directions in which something was denied; at first both. Rejects with an NftError. */
  async look(signal: AbortSignal): Promise<DenialLook[]> {
    const looks: DenialLook[] = [];
    const counted = new Map(this.#counted);
    const growthOf = async (chain: string): Promise<number> => {
      const [before, now] = [counted.get(chain) ?? 0, await this.#count(chain, signal)];
      counted.set(chain, now);
      // Written anew, it counts from 0.
      return now >= before ? now - before : now;
    };
    for (const direction of directions) {
      const { deniedChain, notedChain, sets } = denialObjects[direction];
      const denied = await growthOf(deniedChain);
      // What was noted before an agent began is told once more: another may have ended before it could.
      if (denied === 0 && this.#hasLooked) continue;
      const noted = await growthOf(notedChain);
      const denials: NotedDenial[] = [];
      for (const set of sets) {
        const json = await this.#nft.listSet('inet', set, signal);
        if (json !== undefined) denials.push(...readDenials(json));
      }
      looks.push({ direction, denied, noted: Math.min(noted, denied), denials });
    }
    this.#counted = counted;
    this.#hasLooked = true;
    return looks;
  }

  async #count(chain: string, signal: AbortSignal): Promise<number> {
    const json = await this.#nft.listChain('inet', chain, signal);
    return json === undefined ? 0 : readCount(chain, json);
  }
}
