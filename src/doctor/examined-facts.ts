import type { NodeFacts } from './facts.ts';
import type { ForeignHits } from './foreign/effects.ts';

/** Facts with results that several checks share. */
export interface ExaminedFacts extends NodeFacts {
  /** Effects of other programs' rules on packets between pods. */
  readonly between: ForeignHits;
}
