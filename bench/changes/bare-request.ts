import { selfSetName } from '../../src/compile/names.ts';
import { pairSet } from '../../src/compile/set-builder.ts';
import type { Element, NftSet, Operation } from '../../src/nftables/ruleset.ts';

/** A script for nft to run (`apart`: for an nft that is started for it), a change of one element by netlink, or changes of many in one batch. */
export type BareRequest =
  | { readonly script: string; readonly apart: boolean }
  | { readonly element: 'addition' | 'removal' }
  | { readonly elements: readonly SetChange[] };

/** An operation on elements of a set, without what the set holds: it becomes JSON. */
export interface SetChange {
  readonly family: Operation['family'];
  readonly verb: 'add elements' | 'delete elements';
  readonly set: Omit<NftSet, 'elements' | 'records'>;
  readonly elements: readonly Element[];
}

/** Throws if an operation does anything else. */
export function setChangesOf(operations: readonly Operation[]): SetChange[] {
  return operations.map((operation) => {
    const { family, verb } = operation;
    if (verb !== 'add elements' && verb !== 'delete elements') throw new Error(`${verb} is no change of elements`);
    const { name, key, interval } = operation.set;
    return { family, verb, set: { name, key, interval }, elements: operation.elements };
  });
}

export function operationsOf(changes: readonly SetChange[]): Operation[] {
  return changes.map(({ set, ...change }) => ({ ...change, set: { ...set, elements: new Set() } }));
}

/** An unused address in a hash set that every node with isolated pods has, and that no measured change uses. */
const set = pairSet(selfSetName.ipv4, 'ipv4', ['198.18.0.1']);
const elements = [...set.elements];

export const bareOperations: Readonly<Record<'addition' | 'removal', readonly Operation[]>> = {
  addition: [{ family: 'ip', verb: 'add elements', set, elements }],
  removal: [{ family: 'ip', verb: 'delete elements', set, elements }],
};
