import type { ExaminedFacts } from '../examined-facts.ts';
import type { Check } from '../finding.ts';
import { findForeign } from '../foreign/effects.ts';

export const foreignDrop: Check<ExaminedFacts> = {
  id: 'foreign-drop',
  severity: 'warning',
  finds: 'a table of another program drops packets between pods',
  effect:
    'connections that no policy denies fail, and no policy can allow them: a drop in any table is final, an accept is not',
  remedy:
    'let the program that wrote the table pass what goes between pods: for Docker and firewalld, the pod ranges in its trusted zone',
  find: ({ between }) => findForeign(between, 'drop').map((found) => ({ ...found, policies: [] })),
};

export const masquerade: Check<ExaminedFacts> = {
  id: 'masquerade',
  severity: 'error',
  finds: 'packets from pods of the node to pods of other nodes get another source address on the way',
  effect: 'on the other node they come from no pod: ingress policies there judge them by the address of this node',
  remedy:
    'except the pod ranges of the whole cluster: of the network plugin ipMasq: false, or its cluster CIDR; of ip-masq-agent nonMasqueradeCIDRs',
  find: ({ between }) => {
    const found = findForeign(between, 'rewrite-source', ({ from, to }) => from !== undefined && to === undefined);
    return found.map((each) => ({ ...each, policies: [] }));
  },
};

export const foreignDivert: Check<ExaminedFacts> = {
  id: 'foreign-divert',
  severity: 'error',
  finds:
    'a table of another program sends packets between pods elsewhere: to a proxy, to another device, to another address',
  effect:
    'they do not reach the pod by the way on which they are judged: its ingress policies see the proxy, or nothing',
  remedy: 'take pods that policies isolate out of what the other program redirects, or enforce policies there',
  find: ({ between }) => findForeign(between, 'divert'),
};

export const foreignQueue: Check<ExaminedFacts> = {
  id: 'foreign-queue',
  severity: 'warning',
  finds: 'a table of another program hands packets between pods to a process (NFQUEUE)',
  effect: 'what that process drops is dropped whatever policies say, and where it does not run all may be',
  remedy: 'run one enforcer of policies alone',
  find: ({ between }) => findForeign(between, 'queue').map((found) => ({ ...found, policies: [] })),
};

export const foreignUntrack: Check<ExaminedFacts> = {
  id: 'foreign-untrack',
  severity: 'warning',
  finds: 'a table of another program keeps packets between pods from connection tracking',
  effect: 'answers of isolated pods are judged as if they opened a connection, so allowed connections fail',
  remedy: 'remove the notrack for addresses of pods',
  find: ({ between }) => findForeign(between, 'untrack'),
};
