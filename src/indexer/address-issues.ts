import { sorted } from '../lib/sort.ts';
import type { Pod } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { PodKey } from '../model/snapshot.ts';
import type { Ownership } from './ownership.ts';

const path = 'status.podIPs';
const namedRivals = 5;

/** What of a pod's addresses could not be honoured (S1.9, S1.10, S1.12); `stale` are those that its sandbox does not have. */
export function addressIssues(key: PodKey, pod: Pod, stale: readonly string[], ownership: Ownership): Issue[] {
  return [...stale, ...pod.addresses].flatMap((address): Issue[] => {
    switch (ownership.judge(key, address)) {
      case 'owned':
        return [];
      case 'lost':
        return stale.includes(address) ? outdated(address, pod, ownership) : [];
      case 'held':
        return outdated(address, pod, ownership);
      case 'contested': {
        const rivals = sorted(Array.from(ownership.claimantsOf(address), ([each]) => each)).filter(
          (each) => each !== key,
        );
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

function outdated(address: string, pod: Pod, ownership: Ownership): Issue[] {
  // The sandbox of a pod that leaves ends before its object does: nobody has to hear of that.
  if (pod.terminating) return [];
  const message = `${address} is not what the pod's sandbox on this node has`;
  const issue = { code: 'stale-address', path } as const;
  return ownership.isDenied(address)
    ? [{ ...issue, message: `${message}: it may neither send nor receive`, effect: 'failed-closed' }]
    : [{ ...issue, message: `${message}: the pod's claim is ignored`, effect: 'ignored' }];
}
