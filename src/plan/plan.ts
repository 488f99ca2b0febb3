import { foreignNames } from '../nftables/foreign.ts';
import type {
  Chain,
  Element,
  ElementVerdict,
  NftSet,
  Operation,
  Ruleset,
  Stage,
  VerdictMap,
} from '../nftables/ruleset.ts';
import { chooseEditions, sameVerdict } from './conflicts.ts';
import { inEditions } from './editions.ts';
import { chainTarget, reachableNames } from './reads.ts';

export interface Plan {
  /** In order, each one transaction; a stage with nothing to do is left out. */
  readonly stages: readonly Stage[];
  /** What the kernel holds when all of them are done. */
  readonly result: Ruleset;
}

const empty: Ruleset = { sets: new Map(), maps: new Map(), chains: new Map() };

/**
 * The way from what the kernel holds to what it should hold, in stages (S7.3):
 * make what nothing refers to yet; switch what packets meet; break what is no longer wanted. Additions to sets switch, removals
 * break, so that in between a check passes what the old or the new rules pass, and drops nothing that both pass.
 * `applied` is `undefined` where there is no table.
 */
export function planStages(desired: Ruleset, applied: Ruleset | undefined): Plan {
  const before = applied ?? empty;
  if (applied && isBeyondRepair(desired, applied)) return planRewrite(desired);
  const result = inEditions(desired, chooseEditions(desired, before));
  const stages: Stage[] = [
    {
      name: 'make',
      operations: [...(applied ? [] : [{ verb: 'add table' } as const]), ...makeOperations(result, before)],
    },
    { name: 'switch', operations: switchOperations(result, before) },
    { name: 'break', operations: breakOperations(result, before) },
  ];
  return { stages: stages.filter((stage) => stage.operations.length > 0), result };
}

/**
 * Another program has been at our table, or a version of ours that declares its objects otherwise: such an object cannot be changed
 * step by step, and what it refers to is not known. One transaction writes all of it anew.
 */
function planRewrite(desired: Ruleset): Plan {
  const operations: Operation[] = [
    { verb: 'replace table' },
    ...makeOperations(desired, empty),
    ...switchOperations(desired, empty),
  ];
  return { stages: [{ name: 'switch', operations }], result: desired };
}

function isBeyondRepair(desired: Ruleset, applied: Ruleset): boolean {
  if (foreignNames(applied).length > 0) return true;
  const header = (object: NftSet | VerdictMap | Chain): string =>
    JSON.stringify('rules' in object ? object.base : [object.key, object.interval]);
  const wanted = [...desired.sets.values(), ...desired.maps.values(), ...desired.chains.values()];
  const held = [...applied.sets.values(), ...applied.maps.values(), ...applied.chains.values()];
  const headers = new Map(held.map((object) => [object.name, header(object)]));
  return wanted.some((object) => (headers.get(object.name) ?? header(object)) !== header(object));
}

/** Deletes what no packet can meet: the leavings of a change that did not come to its end. */
export function planSweep(applied: Ruleset): Plan {
  // What a foreign rule refers to is not known, and the next plan writes all anew.
  if (foreignNames(applied).length > 0) return { stages: [], result: applied };
  const reachable = reachableNames(applied);
  const keep = <T>(objects: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
    new Map([...objects].filter(([name]) => reachable.has(name)));
  const result: Ruleset = { sets: keep(applied.sets), maps: keep(applied.maps), chains: keep(applied.chains) };
  const operations = deletions(result, applied);
  return { stages: operations.length > 0 ? [{ name: 'break', operations }] : [], result };
}

function makeOperations(desired: Ruleset, before: Ruleset): Operation[] {
  const operations: Operation[] = [];
  for (const set of added(desired.sets, before.sets)) operations.push({ verb: 'add set', set });
  for (const object of inReferenceOrder(
    added(desired.chains, before.chains).filter((chain) => !chain.base),
    added(desired.maps, before.maps),
  )) {
    operations.push('rules' in object ? { verb: 'add chain', chain: object } : { verb: 'add map', map: object });
  }
  return operations;
}

function switchOperations(desired: Ruleset, before: Ruleset): Operation[] {
  const operations: Operation[] = [];
  for (const set of desired.sets.values()) {
    const elements = missingElements(set, before.sets.get(set.name));
    if (elements.length > 0) operations.push({ verb: 'add elements', set, elements });
  }
  for (const map of desired.maps.values()) operations.push(...mappingOperations(map, before.maps.get(map.name)));
  for (const chain of desired.chains.values()) {
    const known = before.chains.get(chain.name);
    if (known && !sameRules(known, chain)) operations.push({ verb: 'replace rules', chain });
  }
  // Last: on first load packets meet nothing of ours until all of it is there (S5.18).
  for (const chain of added(desired.chains, before.chains))
    if (chain.base) operations.push({ verb: 'add chain', chain });
  return operations;
}

function breakOperations(desired: Ruleset, before: Ruleset): Operation[] {
  const operations: Operation[] = [];
  for (const set of before.sets.values()) {
    const after = desired.sets.get(set.name);
    const elements = after ? missingElements(set, after) : [];
    if (elements.length > 0) operations.push({ verb: 'delete elements', set, elements });
  }
  return [...operations, ...deletions(desired, before)];
}

function deletions(desired: Ruleset, before: Ruleset): Operation[] {
  const objects = inReferenceOrder(added(before.chains, desired.chains), added(before.maps, desired.maps)).toReversed();
  return [
    ...objects.map(
      (object) => ({ verb: 'rules' in object ? 'delete chain' : 'delete map', name: object.name }) as const,
    ),
    ...added(before.sets, desired.sets).map(({ name }) => ({ verb: 'delete set', name }) as const),
  ];
}

function mappingOperations(map: VerdictMap, before: VerdictMap | undefined): Operation[] {
  if (!before || before === map) return [];
  const leaving: Element[] = [];
  const coming = new Map<Element, ElementVerdict>();
  for (const [key, verdict] of map.elements) {
    const known = before.elements.get(key);
    if (known && sameVerdict(known, verdict)) continue;
    if (known) leaving.push(key);
    coming.set(key, verdict);
  }
  for (const key of before.elements.keys()) if (!map.elements.has(key)) leaving.push(key);
  return [
    ...(leaving.length > 0 ? [{ verb: 'delete mappings', map, elements: leaving } as const] : []),
    ...(coming.size > 0 ? [{ verb: 'add mappings', map, elements: coming } as const] : []),
  ];
}

/** What `set` has and `other` has not; nothing where there is no other. */
function missingElements(set: NftSet, other: NftSet | undefined): Element[] {
  if (!other || other === set || other.elements === set.elements) return [];
  return [...set.elements.difference(other.elements)];
}

function added<T extends { readonly name: string }>(
  objects: ReadonlyMap<string, T>,
  others: ReadonlyMap<string, T>,
): T[] {
  return [...objects.values()].filter((object) => !others.has(object.name));
}

/** What is referred to stands first: chains before those that go to them and before the maps that point at them, maps before the chains that look in them. */
function inReferenceOrder(chains: readonly Chain[], maps: readonly VerdictMap[]): (Chain | VerdictMap)[] {
  const readsMap = (chain: Chain): boolean => chain.rules.some((rule) => rule.verdict.kind === 'vmap');
  return [...inJumpOrder(chains.filter((chain) => !readsMap(chain))), ...maps, ...inJumpOrder(chains.filter(readsMap))];
}

function inJumpOrder(chains: readonly Chain[]): Chain[] {
  const byName = new Map(chains.map((chain) => [chain.name, chain]));
  const ordered = new Set<Chain>();
  const visit = (chain: Chain): void => {
    if (ordered.has(chain)) return;
    for (const { verdict } of chain.rules) {
      const target = byName.get(chainTarget(verdict) ?? '');
      if (target && target !== chain) visit(target);
    }
    ordered.add(chain);
  };
  for (const chain of chains) visit(chain);
  return [...ordered];
}

function sameRules(a: Chain, b: Chain): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
