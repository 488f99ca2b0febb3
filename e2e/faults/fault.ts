import type { Scene } from './scene.ts';

/** A fault of a node or its agent, while allowed and forbidden traffic continues. */
export interface Fault {
  /** Name on the command line. */
  readonly name: string;
  /** Description in the table. */
  readonly title: string;
  readonly tries: number;
  /** Milliseconds for which forbidden packets may pass; if missing, none may pass. */
  readonly window?: number;
  /** Waits minutes for a timeout, so it runs in its own lab in parallel to the others. */
  readonly slow?: true;
  /**
   * Makes the fault, verifies its effect, and ends it. Resolves to the milliseconds until every node enforces a policy change that was
   * made meanwhile, counted from the end of the fault, or from its start if it ends by itself.
   */
  readonly run: (scene: Scene, attempt: number) => Promise<number>;
  /** Setup and cleanup of this fault. */
  readonly begin?: (scene: Scene) => Promise<void>;
  readonly end?: (scene: Scene) => Promise<void>;
}
