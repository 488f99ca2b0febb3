import type { Reach } from '../../evaluator/reach.ts';

/** What `-o json` prints. */
export interface PodAnswer {
  readonly pod: string;
  readonly node: string | undefined;
  readonly addresses: readonly string[];
  readonly ingress: Reach;
  readonly egress: Reach;
}
