import { familyOf, type Family } from '../model/address.ts';
import { directions } from '../model/policy.ts';
import {
  catchAll,
  type Chain,
  type Element,
  type ElementVerdict,
  type NftSet,
  type VerdictMap,
} from '../nftables/ruleset.ts';
import { partsOfAudit, partsOfClass, type FamilyClass } from './class-shape.ts';
import type { AddressClasses, Device } from './links.ts';
import { podEnd, type End } from './match.ts';
import {
  auditMapName,
  chainNames,
  isolatedSetName,
  isolationMapName,
  ctDirections,
  readingName,
  byIfMapName,
  selfSetName,
} from './names.ts';
import { addressSet, addressType, pairSet } from './set-builder.ts';
import type { Parts } from './table.ts';

const passes: ElementVerdict = { kind: 'continue' };

/**
 * Builds the maps that lead packets which have passed to the audit of their pod, for one family. Only packets of a connection's opener are looked up: no audit
 * judges replies.
 * @returns nothing if no pod has an audit
 */
export function buildAudits(family: Family, all: ReadonlyMap<string, AddressClasses>): Parts {
  const parts: Parts[] = [];
  const maps: VerdictMap[] = [];
  for (const direction of directions) {
    const verdicts = new Map<Element, ElementVerdict>();
    for (const [address, classes] of all) {
      const built = familyOf(address) === family ? classes[direction]?.families?.[family] : undefined;
      if (!built) continue;
      verdicts.set(address, { kind: 'jump', chain: built.chains.original.chain.name });
      parts.push(partsOfAudit({ direction, family }, built));
    }
    maps.push({
      name: auditMapName(direction, family),
      key: [addressType[family]],
      interval: false,
      elements: verdicts,
    });
  }
  if (parts.length === 0) return { sets: [], maps: [], chains: [] };
  return {
    sets: [...new Set(parts.flatMap(({ sets }) => sets))],
    maps: [...maps, ...new Set(parts.flatMap((each) => each.maps))],
    chains: [...new Set(parts.flatMap(({ chains }) => chains))],
  };
}

/**
 * Builds the maps from pod addresses to class chains, for one family. Includes only objects that are referenced: at start-up the agent would sweep
 * others.
 * @param all local addresses with their classes; addresses that no policy isolates get an element too, which bypasses the gate
 * @param devices devices of pods with their addresses
 * @param guarded the ends of a packet whose device is part of the key
 */
export function buildDispatch(
  family: Family,
  all: ReadonlyMap<string, AddressClasses>,
  devices: readonly Device[],
  guarded: readonly End[],
  hasAudits: boolean,
): Parts {
  const addresses = new Map([...all].filter(([address]) => familyOf(address) === family));
  const owned = devices.flatMap((device) =>
    [...device.addresses].flatMap((address) => (addresses.has(address) ? [[device.name, address] as const] : [])),
  );
  const sets: NftSet[] = [];
  const portMaps = new Set<VerdictMap>();
  const chains = new Set<Chain>();
  const classesOf = { ingress: new Set<FamilyClass>(), egress: new Set<FamilyClass>() };
  for (const classes of addresses.values()) {
    for (const direction of directions) {
      const built = classes[direction]?.families?.[family];
      if (!built) continue;
      classesOf[direction].add(built);
    }
  }
  for (const direction of directions) {
    for (const built of classesOf[direction]) {
      const parts = partsOfClass({ direction, family }, built);
      sets.push(...parts.sets);
      for (const chain of parts.chains) chains.add(chain);
      for (const map of parts.maps) portMaps.add(map);
    }
  }
  const isolated = [...addresses].flatMap(([address, { ingress, egress }]) => (ingress || egress ? [address] : []));
  sets.push(addressSet(isolatedSetName[family], family, isolated));
  // The deny chains and audits look it up, and with the guard also the output hook.
  if (chains.size > 0 || hasAudits || guarded.length > 0)
    sets.push(pairSet(selfSetName[family], family, [...addresses.keys()]));
  const maps = directions.flatMap((direction) =>
    ctDirections.flatMap((ctDirection): VerdictMap[] => {
      const verdicts = new Map<Element, ElementVerdict>();
      for (const [address, classes] of addresses) {
        const built = classes[direction]?.families?.[family];
        verdicts.set(address, built ? { kind: 'jump', chain: built.chains[ctDirection].chain.name } : passes);
      }
      const byIf = new Map(owned.map(([device, address]) => [`${device} . ${address}`, verdicts.get(address)!]));
      byIf.set(catchAll, { kind: 'jump', chain: readingName(direction, ctDirection) });
      verdicts.set(catchAll, { kind: 'jump', chain: chainNames.nonlocal[podEnd(direction, ctDirection)] });
      const type = addressType[family];
      const toClass = isolationMapName(direction, family, ctDirection);
      const ofOwner = byIfMapName(direction, family, ctDirection);
      return [
        { name: toClass, key: [type], interval: false, elements: verdicts },
        ...(guarded.includes(podEnd(direction, ctDirection))
          ? [{ name: ofOwner, key: ['ifname', type], interval: false, elements: byIf } as const]
          : []),
      ];
    }),
  );
  const errorMaps = directions.map((direction): VerdictMap => {
    const verdicts = new Map<Element, ElementVerdict>();
    for (const [address, classes] of addresses) {
      const built = classes[direction]?.families?.[family];
      if (built) verdicts.set(address, { kind: 'jump', chain: built.chains.error.chain.name });
    }
    const name = isolationMapName(direction, family, 'error');
    return { name, key: [addressType[family]], interval: false, elements: verdicts };
  });
  return { sets, maps: [...maps, ...errorMaps, ...portMaps], chains: [...chains] };
}
