import { families } from '../model/address.ts';
import {
  catchAll,
  tableFamilies,
  type NftSet,
  type Ruleset,
  type Table,
  type VerdictMap,
} from '../nftables/ruleset.ts';
import { isolationMapName, ifIpsSetName } from './names.ts';

/**
 * Addresses that the desired ruleset opens and the kernel's ruleset keeps closed, or opens for another device. A table or set that the kernel does not
 * have yields none: its pods may have run for long.
 */
export function comingAddresses(held: Ruleset, wanted: Ruleset): string[] {
  const coming = new Set<string>();
  for (const family of tableFamilies) {
    const before = new Map(objectsByAddress(held[family]).map((object) => [object.name, object]));
    for (const { name, elements } of objectsByAddress(wanted[family])) {
      const known = before.get(name)?.elements;
      if (!known) continue;
      // The address is the last component.
      for (const element of elements.keys()) {
        if (element !== catchAll && !known.has(element)) coming.add(element.slice(element.lastIndexOf(' ') + 1));
      }
    }
  }
  return [...coming];
}

/** What has an element for each local address: alone, or with its device. */
function objectsByAddress(table: Table | undefined): (NftSet | VerdictMap)[] {
  return families.flatMap((family) => {
    const owners = table?.sets.get(ifIpsSetName[family]);
    const classes = table?.maps.get(isolationMapName('egress', family, 'original'));
    return [owners, classes].filter((object) => object !== undefined);
  });
}
