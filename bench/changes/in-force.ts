import type { Stage } from './measured-node.ts';

/** Whether an event allows or denies traffic. The two take effect in different stages. */
export type Way = 'addition' | 'removal';

/**
 * Time at which the addition or removal was in force. The switch and open stages add elements to sets and move a pod to another class; the break
 * stage deletes elements. The delete stage deletes what no packet meets any more.
 */
export function inForceAt(stages: readonly Stage[], way: Way): number {
  const effective = stages.filter(({ name }) => name !== 'delete');
  const deletesElements = ({ operations }: Stage): boolean => operations.some(({ verb }) => verb === 'delete elements');
  const removing = way === 'removal' ? effective.findLast(deletesElements) : undefined;
  const stage = removing ?? effective.findLast(({ name }) => name === 'switch' || name === 'open') ?? effective.at(-1);
  if (!stage) throw new Error('the change has changed nothing');
  return stage.at;
}
