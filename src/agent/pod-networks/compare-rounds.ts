interface Turn {
  /** Numbers of questions: times may be equal. */
  asked: number;
  comparedAt: number;
}

/** Looks in which each place has a turn. */
const looksPerRound = 100;

/**
 * Chooses whose tables are compared next, so that each has its turn in a round of 100 looks. The one that was asked for longest ago comes first, whatever its answer was: a
 * pod that changes its tables without end takes the turn of no other one.
 */
export class CompareRounds<Place extends object> {
  readonly #turns = new WeakMap<Place, Turn>();
  #questions = 0;

  /** To be called regularly. A new place counts as compared: its tables have just been written. */
  next(places: readonly Place[], now: number): Place[] {
    const asked = places.map((place) => ({ place, turn: this.#turnOf(place, now) }));
    const chosen = asked.sort((a, b) => a.turn.asked - b.turn.asked).slice(0, Math.ceil(places.length / looksPerRound));
    for (const { turn } of chosen) turn.asked = ++this.#questions;
    return chosen.map(({ place }) => place);
  }

  /** All tables of the place were as they should be. */
  same(place: Place, at: number): void {
    this.#turnOf(place, at).comparedAt = at;
  }

  /** Since the comparison that is the longest ago; `undefined` without places. */
  oldest(places: Iterable<Place>, now: number): number | undefined {
    const ages = Array.from(places, (place) => now - this.#turnOf(place, now).comparedAt);
    return ages.length === 0 ? undefined : Math.max(...ages);
  }

  #turnOf(place: Place, now: number): Turn {
    let turn = this.#turns.get(place);
    if (!turn) this.#turns.set(place, (turn = { asked: ++this.#questions, comparedAt: now }));
    return turn;
  }
}
