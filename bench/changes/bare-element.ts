import { renderScript } from '../../src/nftables/render.ts';
import { bareOperations } from './bare-request.ts';
import type { Way } from './in-force.ts';
import type { Twin } from './twin.ts';

/**
 * The baseline of changes: one element is added or deleted by netlink, the fastest way into the kernel. Milliseconds until it is in force.
 */
export function bareElement(twin: Twin, way: Way): Promise<number> {
  return twin.write(way);
}

/** The same with an nft session; `apart`: with a new nft process. */
export function bareElementByNft(twin: Twin, way: Way, { apart = false } = {}): Promise<number> {
  return twin.run(renderScript(bareOperations[way]), { apart });
}
