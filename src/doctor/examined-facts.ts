import type { NodeFacts } from './facts.ts';
import type { ForeignHits } from './foreign/effects.ts';

/** With what several checks ask of the same facts. */
export interface ExaminedFacts extends NodeFacts {
  /** What rules of others do to packets between pods. */
  readonly between: ForeignHits;
}
