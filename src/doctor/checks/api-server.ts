import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';

export const apiServer: Check<NodeFacts> = {
  id: 'api-server',
  severity: 'error',
  finds: 'the API server does not answer the node',
  effect: 'the node enforces the last known policies; changes do not arrive, and pods that start have no network',
  remedy:
    'connect from the node to the address of the API server; without kube-proxy, or before it starts, the agent needs apiServer.host',
  find: ({ api }) => ('unknown' in api ? [{ subject: 'API server', problem: api.unknown }] : []),
};

const slowMs = 5000;

export const slowApiServer: Check<NodeFacts> = {
  id: 'slow-api-server',
  severity: 'warning',
  finds: `the API server takes longer than ${slowMs / 1000} s to answer the node`,
  effect: 'changes of pods and policies reach the kernel late',
  remedy: 'check the load of the API server and of etcd, and the network between them and the node',
  find: ({ api }) => {
    const { roundTripMs = 0 } = valueOf(api) ?? {};
    return roundTripMs > slowMs ? [{ subject: 'API server', problem: `an answer took ${roundTripMs} ms` }] : [];
  },
};

/** The HTTP Date header has a resolution of 1 s and arrives up to one round trip later. */
const patienceMs = 30_000;

export const clock: Check<NodeFacts> = {
  id: 'clock',
  severity: 'warning',
  finds: `the clock of the node and that of the API server are more than ${patienceMs / 1000} s apart`,
  effect:
    'policies are enforced; but certificates and tokens may count as expired or not yet valid, and times in Events and logs are wrong',
  remedy: 'synchronise the clock: timedatectl, chronyc tracking',
  find: ({ api }) => {
    const { aheadMs = 0, roundTripMs = 0 } = valueOf(api) ?? {};
    if (Math.abs(aheadMs) <= patienceMs + roundTripMs) return [];
    const seconds = Math.round(Math.abs(aheadMs) / 1000);
    return [
      { subject: 'clock', problem: `it is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the API server's` },
    ];
  },
};
