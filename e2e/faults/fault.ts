import type { Scene } from './scene.ts';

/** Something that happens to a node or its agent, while allowed and forbidden traffic goes on. */
export interface Fault {
  /** As on the command line. */
  readonly name: string;
  /** What is done, in the words of the table. */
  readonly title: string;
  readonly tries: number;
  /** Milliseconds for which forbidden packets may pass; where it is missing, none may at any time. */
  readonly window?: number;
  /** It mostly waits for a time-out of minutes: it runs beside the others, in a lab of its own. */
  readonly slow?: true;
  /**
   * Makes the fault, sees that it was one, and ends it. Resolves with the milliseconds until all was right again: from the end of the
   * fault, or where it ends itself from its beginning, until a policy change made meanwhile is in force on every node.
   */
  readonly run: (scene: Scene, attempt: number) => Promise<number>;
  /** What only this one needs, and how it is undone. */
  readonly begin?: (scene: Scene) => Promise<void>;
  readonly end?: (scene: Scene) => Promise<void>;
}
