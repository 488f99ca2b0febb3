import { renderScript } from '../../../src/nftables/render.ts';
import type { Operation } from '../../../src/nftables/ruleset.ts';

/** The script of one operation, without the newline. */
export function renderOperation(operation: Operation): string {
  return renderScript([operation]).slice(0, -1);
}
