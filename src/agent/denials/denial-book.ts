import type { RecordedDenial } from '../../compile/denials.ts';
import type { DenialLook } from './denial-reader.ts';

/** The kernel says in whole seconds how old a note is; one that it has made anew is a minute younger. */
const sameNoteMs = 30_000;

interface Note {
  readonly denial: RecordedDenial;
  readonly made: number;
}

/** Knows which notes of the kernel have been told of: a connection that is denied again and again is one in a minute. */
export class DenialBook {
  /** When each note was made, as it stood at the last look. */
  readonly #known = new Map<string, ReadonlyMap<string, number>>();

  /** Of all notes of one direction and family those that are new. Times are milliseconds of a clock that never goes back. */
  news({
    direction,
    family,
    denials,
    at,
  }: Pick<DenialLook, 'direction' | 'family' | 'denials' | 'at'>): RecordedDenial[] {
    const page = `${direction} ${family}`;
    const known = this.#known.get(page);
    const next = new Map<string, number>();
    const news: RecordedDenial[] = [];
    for (const [key, { denial, made }] of notesOf(denials, at)) {
      const before = known?.get(key);
      const isNew = before === undefined || made - before > sameNoteMs;
      if (isNew) news.push(denial);
      next.set(key, isNew ? made : before);
    }
    this.#known.set(page, next);
    return news;
  }
}

/** Notes of the kernel that differ in nothing that is told of (each ping has an id of its own) are one, as old as the latest. */
function notesOf(denials: readonly RecordedDenial[], at: number): Map<string, Note> {
  const notes = new Map<string, Note>();
  for (const denial of denials) {
    const key = [denial.source, denial.destination, denial.protocol, denial.port].join(' ');
    const made = at - denial.secondsAgo * 1000;
    const known = notes.get(key);
    const latest = known && known.made > made ? known : { denial, made };
    const packets = denial.packets + (known?.denial.packets ?? 0);
    notes.set(key, { denial: { ...latest.denial, packets }, made: latest.made });
  }
  return notes;
}
