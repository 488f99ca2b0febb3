import { selfSetName } from '../../src/compile/names.ts';
import { pairSet } from '../../src/compile/set-builder.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Way } from './in-force.ts';
import type { Twin } from './twin.ts';

/** An unused address in a hash set that every node with isolated pods has, and that no measured change uses. */
const set = pairSet(selfSetName.ipv4, 'ipv4', ['198.18.0.1']);
const elements = [...set.elements];
const scripts = {
  addition: renderScript([{ family: 'ip', verb: 'add elements', set, elements }]),
  removal: renderScript([{ family: 'ip', verb: 'delete elements', set, elements }]),
};

/** The baseline of changes: one element is added or deleted through the same nft session. Milliseconds until it is in force. */
export function bareElement(twin: Twin, way: Way): Promise<number> {
  return twin.run(scripts[way]);
}

/** The same with a new nft process. */
export function bareElementApart(twin: Twin, way: Way): Promise<number> {
  return twin.run(scripts[way], { apart: true });
}
