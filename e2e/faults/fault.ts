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

/** Packets, and how many of them should not have passed or been lost. */
export interface Share {
  readonly bad: number;
  readonly of: number;
}

export interface Result {
  readonly name: string;
  readonly title: string;
  readonly tries: number;
  readonly forbiddenThrough: Share;
  readonly allowedLost: Share;
  /** Milliseconds of each try. */
  readonly timesToRight: readonly number[];
  readonly window?: number;
  /** Why it could not be brought to its end. */
  readonly error?: string;
}

/** What a result does not keep of the promise. */
export function brokenPromises({ forbiddenThrough, allowedLost, timesToRight, window, error }: Result): string[] {
  const broken: string[] = [];
  if (error !== undefined) broken.push(error.split('\n')[0]!);
  if (allowedLost.bad > 0) broken.push(`${allowedLost.bad} allowed packets were lost`);
  if (window === undefined && forbiddenThrough.bad > 0) {
    broken.push(`${forbiddenThrough.bad} forbidden packets passed`);
  }
  if (forbiddenThrough.of === 0 || allowedLost.of === 0) broken.push('nothing was sent');
  const longest = Math.max(...timesToRight);
  if (window !== undefined && longest > window) broken.push(`it took ${Math.round(longest)} ms, not ${window} at most`);
  return broken;
}
