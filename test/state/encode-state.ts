import type { SavedState } from '../../src/state/saved-state.ts';
import { copyState } from '../../src/state/state-copy.ts';
import { encodeInSteps } from '../../src/state/state-text.ts';

/** The whole text at once. */
export function encodeState(state: SavedState, node: string): string {
  const steps = encodeInSteps(copyState(state), node);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value.chunks.join('');
  }
}
