import type { History, Journal } from '../model/snapshot.ts';

/** More changes than this are not told one by one. */
const most = 64;

export class ChangeJournal<Change> implements Journal<Change> {
  readonly #changes: Change[] = [];
  forgotten = 0;

  get changes(): readonly Change[] {
    return this.#changes;
  }

  add(change: Change): void {
    if (this.#changes.length >= most) this.forgotten += this.#changes.splice(0, most / 2).length;
    this.#changes.push(change);
  }

  /** Nobody is to be told of it. */
  skip(): void {
    this.forgotten++;
  }

  get history(): History<Change> {
    return { version: this.forgotten + this.#changes.length, journal: this };
  }
}
