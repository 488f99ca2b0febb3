import { sortInSteps } from '../lib/sort-in-steps.ts';
import { compareText } from '../lib/sort.ts';
import type { Member, PodKey } from '../model/snapshot.ts';
import type { GroupCopy } from './state-copy.ts';

/** Members that one step looks up. */
const perStep = 256;

export interface Entry {
  readonly key: PodKey;
  readonly member: Member;
  /** The next entry of the same pod. */
  next: Entry | undefined;
  index: number;
}

/** The members of all groups, each once: equal members of one pod are one entry. */
export class MemberTable {
  readonly #first = new Map<PodKey, Entry>();

  /** Returns the entries of the members. */
  *add({ keys, members }: GroupCopy): Generator<undefined, Entry[]> {
    const entries: Entry[] = [];
    for (const [at, key] of keys.entries()) {
      entries.push(this.#entryOf(key, members[at]!));
      if (at % perStep === perStep - 1) yield undefined;
    }
    yield undefined;
    return entries;
  }

  /** All entries. The order does not depend on that of the groups. */
  *sort(): Generator<undefined, Entry[]> {
    const all: Entry[] = [];
    for (const first of this.#first.values()) {
      for (let entry: Entry | undefined = first; entry; entry = entry.next) all.push(entry);
      if (all.length % perStep === 0) yield undefined;
    }
    return yield* sortInSteps(all, (a, b) => compareText(a.key, b.key) || compareText(textOf(a), textOf(b)));
  }

  #entryOf(key: PodKey, member: Member): Entry {
    const first = this.#first.get(key);
    for (let entry = first; entry; entry = entry.next) if (isSame(entry.member, member)) return entry;
    const entry = { key, member, next: first, index: 0 };
    this.#first.set(key, entry);
    return entry;
  }
}

/** The groups of a pod share one object, so texts are rarely compared. */
function isSame(a: Member, b: Member): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function textOf({ member }: Entry): string {
  return JSON.stringify(member);
}
