import type { Fault } from './fault.ts';
import type { Result } from './result.ts';
import { Scene } from './scene.ts';
import { messageOf } from '../../src/lib/message-of.ts';

export interface RunOptions {
  /** Overrides the number of each fault. */
  readonly tries?: number | undefined;
  readonly ending: AbortSignal;
  readonly onResult: (result: Result) => void;
}

/** Returns results in the order of the faults. Slow faults run in a second lab in parallel. */
export async function runFaults(faults: readonly Fault[], options: RunOptions): Promise<Result[]> {
  const running = [
    runIn(
      'faults',
      faults.filter(({ slow }) => !slow),
      options,
    ),
    runIn(
      'faultsslow',
      faults.filter(({ slow }) => slow),
      options,
    ),
  ];
  // Removes both labs before it rejects with an error of one.
  await Promise.allSettled(running);
  const results = (await Promise.all(running)).flat();
  return faults.map(({ name }) => results.find((result) => result.name === name)!);
}

async function runIn(
  lab: string,
  faults: readonly Fault[],
  { tries, ending, onResult }: RunOptions,
): Promise<Result[]> {
  if (faults.length === 0) return [];
  const results: Result[] = [];
  const scene = await Scene.open(lab);
  try {
    for (const fault of faults) {
      const result = await runFault(scene, fault, { tries, ending });
      results.push(result);
      onResult(result);
    }
  } finally {
    await scene.close();
  }
  return results;
}

/** Runs the fault several times under traffic. */
export async function runFault(
  scene: Scene,
  fault: Fault,
  { tries = fault.tries, ending }: Pick<RunOptions, 'tries'> & { readonly ending?: AbortSignal } = {},
): Promise<Result> {
  const { name, title, window } = fault;
  const timesToRight: number[] = [];
  let error: string | undefined;
  await fault.begin?.(scene);
  await scene.startTraffic();
  try {
    while (timesToRight.length < tries) {
      ending?.throwIfAborted();
      timesToRight.push(await fault.run(scene, timesToRight.length));
    }
    await scene.traffic.goesOn();
  } catch (caught) {
    error = messageOf(caught);
  }
  const counts = await scene.stopTraffic();
  ending?.throwIfAborted();
  if (error !== undefined) await scene.mend({ anew: true });
  await fault.end?.(scene);
  await scene.mend();
  return {
    name,
    title,
    tries: timesToRight.length,
    ...counts,
    timesToRight,
    ...(window !== undefined && { window }),
    ...(error !== undefined && { error }),
  };
}
