import { selfSetName } from '../../src/compile/names.ts';
import { pairSet } from '../../src/compile/set-builder.ts';
import type { Operation } from '../../src/nftables/ruleset.ts';

/** A script for nft to run (`apart`: for an nft that is started for it), or a change of one element by netlink. */
export type BareRequest =
  | { readonly script: string; readonly apart: boolean }
  | { readonly element: 'addition' | 'removal' };

/** An unused address in a hash set that every node with isolated pods has, and that no measured change uses. */
const set = pairSet(selfSetName.ipv4, 'ipv4', ['198.18.0.1']);
const elements = [...set.elements];

export const bareOperations: Readonly<Record<'addition' | 'removal', readonly Operation[]>> = {
  addition: [{ family: 'ip', verb: 'add elements', set, elements }],
  removal: [{ family: 'ip', verb: 'delete elements', set, elements }],
};
