import { shortHash } from '../lib/hash.ts';
import type { Family } from '../model/address.ts';
import type { GroupId } from '../model/policy.ts';
import { familyDigit } from './names.ts';

/** Groups that have a set together. The rules of a class have such lists, and live longer than a compile. */
export class GroupList {
  readonly ids: readonly GroupId[];
  #names: Readonly<Record<Family, string>> | undefined;

  constructor(ids: readonly GroupId[]) {
    this.ids = ids;
  }

  /** The names of the sets. */
  get names(): Readonly<Record<Family, string>> {
    return (this.#names ??= namesOf(shortHash(this.ids.join(' '))));
  }
}

function namesOf(hash: string): Readonly<Record<Family, string>> {
  return { ipv4: `pods${familyDigit.ipv4}-${hash}`, ipv6: `pods${familyDigit.ipv6}-${hash}` };
}
