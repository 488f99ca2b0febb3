import { families, type Family } from '../model/address.ts';
import { directions, type Direction } from '../model/policy.ts';
import {
  catchAll,
  routedTable,
  tableFamilies,
  type Element,
  type ElementVerdict,
  type NftSet,
  type Ruleset,
  type Table,
  type VerdictMap,
} from '../nftables/ruleset.ts';
import { buildNoAllows } from './build-classes.ts';
import { isolationMapName, ifIpsSetName } from './names.ts';

const noAllows = buildNoAllows();

/**
 * Addresses of the desired ruleset that the kernel's ruleset keeps closed, denies in both directions, or opens for another device. A table or set that the kernel does not
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
  for (const family of families) {
    const elements = isolationMap(wanted, 'egress', family)?.elements ?? new Map<Element, ElementVerdict>();
    for (const address of deniedIn(held, family)) if (elements.has(address)) coming.add(address);
  }
  return [...coming];
}

/** Addresses that are denied in both directions. The connections of an earlier pod may not be deleted yet. */
function deniedIn(ruleset: Ruleset, family: Family): ReadonlySet<string> {
  const [ingress, egress] = directions.map((direction) => {
    const { name } = noAllows[direction].families![family].chains.original.chain;
    const elements = isolationMap(ruleset, direction, family)?.elements.entries().toArray() ?? [];
    return new Set(elements.flatMap(([address, to]) => (to.kind === 'jump' && to.chain === name ? [address] : [])));
  });
  return ingress!.intersection(egress!);
}

function isolationMap(ruleset: Ruleset, direction: Direction, family: Family): VerdictMap | undefined {
  return ruleset[routedTable[family]]?.maps.get(isolationMapName(direction, family, 'original'));
}

/** What has an element for each local address: alone, or with its device. */
function objectsByAddress(table: Table | undefined): (NftSet | VerdictMap)[] {
  return families.flatMap((family) => {
    const owners = table?.sets.get(ifIpsSetName[family]);
    const classes = table?.maps.get(isolationMapName('egress', family, 'original'));
    return [owners, classes].filter((object) => object !== undefined);
  });
}
