import { selfSetName } from '../../src/compile/names.ts';
import { pairSet } from '../../src/compile/set-builder.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { NodeUnderTest } from './node-under-test.ts';
import type { Way } from './in-force.ts';

/** An address of no pod, in a hash set that every node with isolated pods has, and that no change here touches. */
const set = pairSet(selfSetName.ipv4, 'ipv4', ['198.18.0.1']);
const elements = [...set.elements];
const scripts = {
  addition: renderScript([{ family: 'ip', verb: 'add elements', set, elements }]),
  removal: renderScript([{ family: 'ip', verb: 'delete elements', set, elements }]),
};

/** What changes are compared with: one element that comes, or goes, through the same kernel. Milliseconds until that is in force. */
export function bareElement(node: NodeUnderTest, way: Way): Promise<number> {
  return node.run(scripts[way]);
}

/** The same by an nft that is started for it. */
export function bareElementApart(node: NodeUnderTest, way: Way): Promise<number> {
  return node.run(scripts[way], { apart: true });
}
