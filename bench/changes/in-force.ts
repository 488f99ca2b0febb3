import type { Change } from './node-under-test.ts';

/** What an event does to what is allowed; the two come into force in different stages. */
export type Way = 'addition' | 'removal';

/**
 * When what was to be added, or removed, was in force. Additions to sets are in the switch, and so is a pod that moves to another class;
 * what leaves a set leaves with the break.
 */
export function inForceAt(changes: readonly Change[], way: Way): number {
  const stages = changes.flatMap((change) => change.stages);
  const removing = way === 'removal' ? stages.findLast((stage) => stage.deletesElements) : undefined;
  const stage = removing ?? stages.findLast(({ name }) => name === 'switch') ?? stages.at(-1);
  if (!stage) throw new Error('the change has changed nothing');
  return stage.at;
}
