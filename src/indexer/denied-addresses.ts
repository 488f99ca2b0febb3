import type { Link } from '../model/cluster.ts';
import { directions, type Direction } from '../model/policy.ts';
import { NotingMap } from './delta-log.ts';

export const bothWays: ReadonlySet<Direction> = new Set(directions);
export const neitherWay: ReadonlySet<Direction> = new Set();

/** As `Snapshot.denied`, and the links of those addresses of which they are known. */
export class DeniedAddresses {
  readonly #directions: NotingMap<string, ReadonlySet<Direction>>;
  readonly #links: NotingMap<string, Link>;

  /** @param note is called at each change */
  constructor(note: () => void) {
    this.#directions = new NotingMap(note);
    this.#links = new NotingMap(note);
  }

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

  get size(): number {
    return this.#directions.size + this.#links.size;
  }
}
