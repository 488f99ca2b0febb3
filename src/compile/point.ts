import { families, familyOf } from '../model/address.ts';
import { directions } from '../model/policy.ts';
import type { Chain, ElementVerdict, NftSet, VerdictMap } from '../nftables/ruleset.ts';
import { denials } from './denials.ts';
import type { AddressClasses } from './links.ts';
import { isolatedSetName, isolationMapName, orientations, selfSetName } from './names.ts';
import { addressSet, addressType, pairSet } from './set-builder.ts';
import type { Parts } from './table.ts';

/**
 * Points the addresses of isolated pods at their classes, and with a gate the others past it. What nothing points at is not written:
 * start-up would sweep it.
 */
export function pointAddresses(addresses: ReadonlyMap<string, AddressClasses>, gated: boolean): Parts {
  const maps = new Map<string, VerdictMap & { readonly elements: Map<string, ElementVerdict> }>();
  for (const direction of directions) {
    for (const family of families) {
      for (const orientation of orientations) {
        const name = isolationMapName(direction, family, orientation);
        maps.set(name, { name, key: [addressType[family]], interval: false, elements: new Map() });
      }
    }
  }
  const sets: NftSet[] = [];
  const portMaps = new Set<VerdictMap>();
  const chains = new Set<Chain>();
  const isolated: string[] = [];
  for (const [address, classes] of addresses) {
    if (classes.ingress || classes.egress) isolated.push(address);
    for (const direction of directions) {
      const built = classes[direction];
      if (built?.chains) {
        sets.push(...built.sets);
        for (const chain of denials[direction].chains) chains.add(chain);
        sets.push(...denials[direction].sets);
        for (const { chain, ports } of Object.values(built.chains)) {
          for (const each of [chain, ...ports.chains]) chains.add(each);
          for (const map of ports.maps) portMaps.add(map);
        }
      }
      for (const orientation of orientations) {
        const { elements } = maps.get(isolationMapName(direction, familyOf(address), orientation))!;
        if (built?.chains) elements.set(address, { kind: 'goto', chain: built.chains[orientation].chain.name });
        else if (gated) elements.set(address, { kind: 'return' });
      }
    }
  }
  for (const family of families) {
    const ofFamily = isolated.filter((address) => familyOf(address) === family);
    sets.push(addressSet(isolatedSetName[family], family, ofFamily));
    if (chains.size > 0) sets.push(pairSet(selfSetName[family], family, ofFamily));
  }
  return { sets, maps: [...maps.values(), ...portMaps], chains: [...chains] };
}
