import type { Issue } from './issue.ts';

const texts: Readonly<Record<Issue['effect'], string>> = {
  ignored: 'ignored',
  'failed-closed': 'it allows nothing',
  enforced: 'enforced',
  'not-enforced': 'not enforced',
};

/**
 * What an invalid part of the object does.
 * @param object `NetworkPolicy shop/web`, or the kind alone
 */
export function effectText(object: string, effect: Issue['effect']): string {
  // S10.20
  if (effect === 'failed-closed' && object.startsWith('ClusterNetworkPolicy'))
    return 'in Accept it matches nothing, in Deny and Pass it denies everything';
  return texts[effect];
}
