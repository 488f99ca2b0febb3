import { contentHash } from '../lib/hash.ts';
import type { Family } from '../model/address.ts';
import type { GroupId } from '../model/policy.ts';
import { familyDigit } from './names.ts';
import type { ClassRole } from './class-spec.ts';
import { roleName } from './names.ts';
import type { Walk } from './walk.ts';

/** Of the addresses in groups, those for which the walk has this outcome, and for which blocks alone would not give it. */
export interface Filter {
  readonly walk: Walk;
  readonly holds: 'allow' | 'deny';
  /** Of the classes that look the set up: when members come and go depends on it (`plan/set-turns.ts`). */
  readonly role: ClassRole;
}

/** Groups that have a set together. The rules of a class have such lists, and live longer than a compile. */
export class GroupList {
  /** The groups that decide what the set holds. */
  readonly ids: readonly GroupId[];
  /** Missing: the set holds all members. */
  readonly filter: Filter | undefined;
  #names: Readonly<Record<Family, string>> | undefined;

  constructor(ids: readonly GroupId[], filter?: Filter) {
    this.ids = ids;
    this.filter = filter;
  }

  /** The names of the sets. */
  get names(): Readonly<Record<Family, string>> {
    return (this.#names ??= this.#makeNames());
  }

  #makeNames(): Readonly<Record<Family, string>> {
    const { ids, filter } = this;
    const hash = contentHash(filter ? `${filter.holds}: ${filter.walk.text}` : ids.join(' '));
    const what = roleName(filter?.holds === 'deny' ? 'except' : 'pods', filter?.role);
    return { ipv4: `${what}${familyDigit.ipv4}-${hash}`, ipv6: `${what}${familyDigit.ipv6}-${hash}` };
  }
}
