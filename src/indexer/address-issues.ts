import { sorted } from '../lib/sort.ts';
import type { Pod } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { PodKey } from '../model/snapshot.ts';
import type { Ownership } from './ownership.ts';

const path = 'status.podIPs';
const namedRivals = 5;

/** What of a pod's addresses could not be honoured (S1.10, S1.12). */
export function addressIssues(key: PodKey, pod: Pod, ownership: Ownership): Issue[] {
  return pod.addresses.flatMap((address): Issue[] => {
    switch (ownership.judge(key, address)) {
      case 'owned':
      case 'lost':
        return [];
      case 'contested': {
        const rivals = sorted(ownership.claimantsOf(address).keys()).filter((each) => each !== key);
        const more = rivals.length > namedRivals ? ` and ${rivals.length - namedRivals} more` : '';
        const names = rivals.slice(0, namedRivals).join(', ') + more;
        const message = `${address} is also claimed by ${names}: no selector matches it, and it is isolated without allows`;
        return [{ code: 'contested-address', path, message, effect: 'failed-closed' }];
      }
      case 'node': {
        const message = `${address} is a node's: the pod's claim is ignored`;
        return [{ code: 'node-address', path, message, effect: 'ignored' }];
      }
    }
  });
}
