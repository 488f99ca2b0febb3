import { assertNever } from '../../../src/lib/assert.ts';
import { checkElements, checkName, checkRule, checkVerdict, sameKey } from './check.ts';
import { findDeepChain } from './depth.ts';
import { referencesOf } from '../../../src/nftables/references.ts';
import { Fault, RefusedOperation, refuse } from './refusal.ts';
import type {
  Chain,
  Change,
  Element,
  ElementVerdict,
  NftSet,
  Operation,
  OtherObject,
  Ruleset,
  Table,
  TableFamily,
  VerdictMap,
} from '../../../src/nftables/ruleset.ts';
import { tableFamilies } from '../../../src/nftables/ruleset.ts';

/**
 * Returns the tables after a script. Objects that no operation changes stay identical (`===`). Throws a `RefusedOperation` if the kernel
 * refuses the script, and also for these operations, which the kernel accepts but only a bug would write:
 * - a reference to an object that a later operation creates (inside a block, nft sorts the operations: see `renderScript`);
 * - elements for a missing set, or objects in a missing table (the kernel creates both);
 * - overlapping elements of an interval set (the kernel only checks whether an end of the new element is inside an old one);
 * - deletion of a part of an interval element (the kernel deletes the whole element that contains its first point);
 * - a second declaration of a dynamic set with another size or timeout (the kernel changes them);
 * - an ICMP type of the other family; in the bridge table, conntrack matches and reject (some kernels support them there);
 * - one name for two kinds of objects, `:` in a name, a lookup in a map, a second declaration of a base chain as a regular chain.
 */
export function applyOperations(ruleset: Ruleset, operations: readonly Operation[]): Ruleset {
  const draft = (family: TableFamily): Draft => new Draft(family, ruleset[family]);
  const drafts = { ip: draft('ip'), ip6: draft('ip6'), bridge: draft('bridge') };
  for (const [index, operation] of operations.entries()) {
    try {
      drafts[operation.family].apply(operation);
    } catch (error) {
      throw error instanceof Fault ? new RefusedOperation(index, error) : error;
    }
  }
  const deep = Object.values(drafts)
    .map(findDeepChain)
    .find((chain) => chain !== undefined);
  if (deep) throw new RefusedOperation(operations.length - 1, new Fault('loop', deep.name));
  const held = tableFamilies.filter((family) => drafts[family].exists);
  return Object.fromEntries(held.map((family) => [family, drafts[family].done()]));
}

/** A mutable table. */
class Draft implements Table {
  exists: boolean;
  readonly sets: Map<string, NftSet>;
  readonly maps: Map<string, VerdictMap>;
  readonly chains: Map<string, Chain>;
  #others: readonly OtherObject[];
  #isFlagged: true | undefined;
  /** Number of references to each object, by name. */
  readonly #uses = new Map<string, number>();
  readonly #family: TableFamily;

  constructor(family: TableFamily, table: Table | undefined) {
    this.#family = family;
    this.exists = table !== undefined;
    this.sets = new Map(table?.sets);
    this.maps = new Map(table?.maps);
    this.chains = new Map(table?.chains);
    this.#others = table?.others ?? [];
    this.#isFlagged = table?.isFlagged;
    for (const object of [...this.maps.values(), ...this.chains.values()]) this.#count(object, 1);
  }

  done(): Table {
    return {
      sets: this.sets,
      maps: this.maps,
      chains: this.chains,
      ...(this.#others.length > 0 && { others: this.#others }),
      ...(this.#isFlagged && { isFlagged: this.#isFlagged }),
    };
  }

  apply(operation: Change): void {
    if (operation.verb === 'add table') this.exists = true;
    if (!this.exists) refuse('unknown', 'table');
    switch (operation.verb) {
      case 'add table':
        return;
      case 'replace table':
        for (const objects of [this.sets, this.maps, this.chains, this.#uses]) objects.clear();
        this.#others = [];
        this.#isFlagged = undefined;
        return;
      case 'add set':
        this.#declare(this.sets, { ...operation.set, elements: new Set<Element>() });
        return this.#addElements(operation.set, operation.set.elements);
      case 'add elements':
        return this.#addElements(operation.set, operation.elements);
      case 'delete elements':
        return this.#deleteElements(operation.set.name, operation.elements);
      case 'add map':
        this.#declare(this.maps, { ...operation.map, elements: new Map<Element, ElementVerdict>() });
        return this.#addMappings(operation.map, operation.map.elements);
      case 'add mappings':
        return this.#addMappings(operation.map, operation.elements);
      case 'delete mappings':
        return this.#deleteMappings(operation.map.name, operation.elements);
      case 'add chain':
        this.#declare(this.chains, { ...operation.chain, rules: [] });
        return this.#setRules(operation.chain, [
          ...this.chains.get(operation.chain.name)!.rules,
          ...operation.chain.rules,
        ]);
      case 'replace rules':
        return this.#setRules(operation.chain, operation.chain.rules);
      case 'flush set':
        return this.#flushSet(operation.name);
      case 'flush chain':
        return this.#put(this.chains, {
          ...(this.chains.get(operation.name) ?? refuse('unknown', operation.name)),
          rules: [],
        });
      case 'delete other':
        return this.#deleteOther(operation);
      case 'delete set':
        return this.#delete(this.sets, operation.name);
      case 'delete map':
        return this.#delete(this.maps, operation.name);
      case 'delete chain':
        return this.#delete(this.chains, operation.name);
      default:
        return assertNever(operation);
    }
  }

  /** Creates an empty object, unless it exists. */
  #declare<T extends { readonly name: string }>(objects: Map<string, T>, object: T): void {
    const { name } = object;
    checkName(name);
    for (const others of [this.sets, this.maps, this.chains]) {
      if ((others as Map<string, unknown>) !== objects && others.has(name)) refuse('exists', name);
    }
    if (!objects.has(name)) objects.set(name, object);
  }

  #addElements(header: NftSet, added: Iterable<Element>): void {
    const set = sameSetHeader(this.sets.get(header.name), header);
    const changed = { ...set, elements: new Set([...set.elements, ...added]) };
    checkElements(changed, added);
    if (changed.elements.size > set.elements.size) this.sets.set(set.name, changed);
  }

  /** What packets have added is no part of a table (`nftables/flight.ts`). */
  #flushSet(name: string): void {
    const set = this.sets.get(name) ?? refuse('unknown', name);
    if (set.elements.size > 0) this.sets.set(name, { ...set, elements: new Set() });
  }

  #addMappings(header: VerdictMap, added: ReadonlyMap<Element, ElementVerdict>): void {
    const map = sameSetHeader(this.maps.get(header.name), header);
    const changed = { ...map, elements: new Map([...map.elements, ...added]) };
    checkElements(changed, added.keys());
    for (const [element, verdict] of added) {
      checkVerdict(this, verdict);
      const present = map.elements.get(element);
      if (present && !sameVerdict(present, verdict)) refuse('exists', element);
    }
    if (changed.elements.size > map.elements.size) this.#put(this.maps, changed);
  }

  #deleteElements(name: string, removed: readonly Element[]): void {
    const set = this.sets.get(name) ?? refuse('unknown', name);
    if (removed.length === 0) refuse('syntax', name);
    const elements = new Set(set.elements);
    for (const element of removed) if (!elements.delete(element)) refuse('missing', element);
    this.sets.set(name, { ...set, elements });
  }

  #deleteMappings(name: string, removed: readonly Element[]): void {
    const map = this.maps.get(name) ?? refuse('unknown', name);
    if (removed.length === 0) refuse('syntax', name);
    const elements = new Map(map.elements);
    for (const element of removed) if (!elements.delete(element)) refuse('missing', element);
    this.#put(this.maps, { ...map, elements });
  }

  #setRules(header: Chain, rules: Chain['rules']): void {
    const chain = this.chains.get(header.name) ?? refuse('unknown', header.name);
    if (chain.base?.hook !== header.base?.hook || chain.base?.priority !== header.base?.priority) {
      refuse('exists', header.name);
    }
    for (const rule of rules) checkRule(this.#family, this, rule);
    this.#put(this.chains, { ...chain, rules });
  }

  #put<T extends Chain | VerdictMap>(objects: Map<string, T>, object: T): void {
    const before = objects.get(object.name);
    if (before) this.#count(before, -1);
    this.#count(object, 1);
    objects.set(object.name, object);
  }

  #delete(objects: Map<string, NftSet> | Map<string, VerdictMap> | Map<string, Chain>, name: string): void {
    const object = objects.get(name) ?? refuse('missing', name);
    this.#count(object, -1);
    if ((this.#uses.get(name) ?? 0) > 0) refuse('busy', name);
    objects.delete(name);
  }

  #deleteOther({ kind, name }: OtherObject): void {
    const left = this.#others.filter((each) => each.kind !== kind || each.name !== name);
    if (left.length === this.#others.length) refuse('missing', name);
    this.#others = left;
  }

  #count(object: Chain | VerdictMap | NftSet, change: 1 | -1): void {
    for (const name of referencesOf(object)) this.#uses.set(name, (this.#uses.get(name) ?? 0) + change);
  }
}

function sameSetHeader<T extends NftSet | VerdictMap>(present: T | undefined, header: T): T {
  if (!present) refuse('unknown', header.name);
  const isSame = sameKey(present.key, header.key) && present.interval === header.interval;
  if (!isSame || !sameRecords(recordsOf(present), recordsOf(header))) refuse('exists', header.name);
  return present;
}

function recordsOf(object: NftSet | VerdictMap): NftSet['records'] {
  return 'records' in object ? object.records : undefined;
}

function sameRecords(a: NftSet['records'], b: NftSet['records']): boolean {
  return a?.seconds === b?.seconds && a?.size === b?.size;
}

function sameVerdict(a: ElementVerdict, b: ElementVerdict): boolean {
  return a.kind === b.kind && ('chain' in a ? a.chain : '') === ('chain' in b ? b.chain : '');
}
