import { sorted } from '../lib/sort.ts';
import type { Pod } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { PodKey } from '../model/snapshot.ts';
import type { Ownership } from './ownership.ts';

const path = 'status.podIPs';
/** Keeps the message short enough for an Event. */
const maxNamed = 5;

/** Issues of addresses that the pod claims but may not use (S1.9, S1.10, S1.12). The pod's sandbox does not have the `stale` addresses. */
export function addressIssues(
  key: PodKey,
  pod: Pod,
  stale: readonly string[],
  ownership: Ownership,
  isHeldBack: (address: string) => boolean,
): Issue[] {
  return [...stale, ...pod.addresses].flatMap((address): Issue[] => {
    switch (ownership.judge(key, address)) {
      case 'owned':
        return [
          ...(isHeldBack(address) ? [heldBack(address)] : []),
          ...(ownership.isClaimedByOtherNode(address) ? [claimedByNode(address)] : []),
        ];
      case 'lost':
        return stale.includes(address) ? outdated(address, pod, ownership) : [];
      case 'held':
        return outdated(address, pod, ownership);
      case 'contested': {
        const rivals = [...ownership.claimantsOf(address)].filter(([each]) => each !== key);
        const own = rivals.filter(([, { namespace }]) => namespace === pod.namespace);
        const names = [...namesOf(own), ...(own.length < rivals.length ? ['pods of other namespaces'] : [])];
        const message = `${address} is also claimed by ${names.join(', ')}: no peer selector matches it, and no rule allows it anything in an isolated direction`;
        const forOperators = `claimed by ${namesOf(rivals).join(', ')}`;
        return [{ code: 'contested-address', path, message, forOperators, effect: 'failed-closed' }];
      }
      case 'node': {
        const message = `${address} is a node's address: the agent ignores the pod's claim`;
        return [{ code: 'node-address', path, message, effect: 'ignored' }];
      }
    }
  });
}

function namesOf(claimants: readonly (readonly [PodKey, Pod])[]): string[] {
  const keys = sorted(claimants.map(([key]) => key));
  const left = keys.length - maxNamed;
  return left > 0 ? [...keys.slice(0, maxNamed), `${left} more`] : keys;
}

function outdated(address: string, pod: Pod, ownership: Ownership): Issue[] {
  // The sandbox of a terminating pod ends before its object does. That is no error.
  if (pod.terminating) return [];
  const message = `${address} is not an address of the pod's sandbox on this node`;
  const issue = { code: 'stale-address', path } as const;
  return ownership.isDenied(address)
    ? [{ ...issue, message: `${message}: it can neither send nor receive`, effect: 'failed-closed' }]
    : [{ ...issue, message: `${message}: the agent ignores the pod's claim`, effect: 'ignored' }];
}

function claimedByNode(address: string): Issue {
  const message = `the status of another node claims ${address}: the agent ignores that, because the pod's sandbox on this node has the address`;
  return { code: 'node-address', path, message, effect: 'ignored' };
}

/** S10.33 */
function heldBack(address: string): Issue {
  const message = `the agent does not know the pod's namespace yet, and its labels say which ClusterNetworkPolicies apply: until then, ${address} can neither send nor receive`;
  return { code: 'unknown-namespace', path: 'metadata.namespace', message, effect: 'failed-closed' };
}
