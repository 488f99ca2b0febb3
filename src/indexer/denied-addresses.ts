import type { Link } from '../model/cluster.ts';
import { directions, type Direction } from '../model/policy.ts';
import { RevisedMap } from './revised-map.ts';

export const bothWays: ReadonlySet<Direction> = new Set(directions);
export const neitherWay: ReadonlySet<Direction> = new Set();

/** As `Snapshot.denied`, and the links of those addresses of which they are known. */
export class DeniedAddresses {
  readonly #directions = new RevisedMap<string, ReadonlySet<Direction>>();
  readonly #links = new RevisedMap<string, Link>();

  get directions(): ReadonlyMap<string, ReadonlySet<Direction>> {
    return this.#directions;
  }

  get links(): ReadonlyMap<string, Link> {
    return this.#links;
  }

  /** `undefined`: it is none of them. */
  set(address: string, isolated: ReadonlySet<Direction> | undefined, link: Link | undefined): void {
    if (isolated) this.#directions.set(address, isolated);
    else this.#directions.delete(address);
    if (isolated && link) this.#links.set(address, link);
    else this.#links.delete(address);
  }

  get revision(): number {
    return this.#directions.revision + this.#links.revision;
  }

  get size(): number {
    return this.#directions.size + this.#links.size;
  }
}
