import type { NotedDenial } from '../../compile/denials.ts';
import type { Direction } from '../../model/policy.ts';

/** The kernel says in whole seconds how old a note is; one that it has made anew is a minute younger. */
const sameNoteMs = 30_000;

/** Knows which notes of the kernel have been told of: a connection that is denied again and again is one in a minute. */
export class DenialBook {
  /** When each note was made, as it stood at the last look. */
  readonly #known: Record<Direction, ReadonlyMap<string, number>> = { ingress: new Map(), egress: new Map() };

  /** Of all notes of one direction those that are new. Times are milliseconds of a clock that never goes back. */
  news(direction: Direction, denials: readonly NotedDenial[], now: number): NotedDenial[] {
    const known = this.#known[direction];
    const next = new Map<string, number>();
    const news = denials.filter((denial) => {
      const key = [denial.source, denial.destination, denial.protocol, denial.port].join(' ');
      const made = now - denial.secondsAgo * 1000;
      const before = known.get(key);
      const isNew = before === undefined || made - before > sameNoteMs;
      next.set(key, isNew ? made : before);
      return isNew;
    });
    this.#known[direction] = next;
    return news;
  }
}
