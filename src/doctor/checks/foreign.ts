import type { ExaminedFacts } from '../examined-facts.ts';
import type { Check } from '../finding.ts';
import { findForeign } from '../foreign/effects.ts';

export const foreignDrop: Check<ExaminedFacts> = {
  id: 'foreign-drop',
  severity: 'warning',
  finds: 'a table of another program drops packets between pods',
  effect:
    'connections fail that no policy denies, and no policy can allow them: in nftables, a drop in any table is final',
  remedy:
    'configure that program to accept traffic between pods: for firewalld, add the pod ranges to the trusted zone; for ufw, set DEFAULT_FORWARD_POLICY="ACCEPT"; for Docker, accept them in DOCKER-USER',
  find: ({ between }) => findForeign(between, 'drop').map((found) => ({ ...found, policies: [] })),
};

export const masquerade: Check<ExaminedFacts> = {
  id: 'masquerade',
  severity: 'error',
  finds: 'the node masquerades packets from its pods to pods of other nodes',
  effect: 'ingress policies on the other node see the address of this node instead of the pod',
  remedy:
    'exclude the pod ranges of the whole cluster: in the network plugin with ipMasq: false or its cluster CIDR, in ip-masq-agent with nonMasqueradeCIDRs',
  find: ({ between }) => {
    const found = findForeign(between, 'rewrite-source', ({ from, to }) => from !== undefined && to === undefined);
    return found.map((each) => ({ ...each, policies: [] }));
  },
};

export const foreignDivert: Check<ExaminedFacts> = {
  id: 'foreign-divert',
  severity: 'error',
  finds: 'a table of another program redirects packets between pods: to a proxy, to another device, to another address',
  effect: 'ingress policies of the pod see the proxy as the source, or do not see the packets at all',
  remedy: 'exclude isolated pods from the redirection, or enforce policies in that program',
  find: ({ between }) => findForeign(between, 'divert'),
};

export const foreignQueue: Check<ExaminedFacts> = {
  id: 'foreign-queue',
  severity: 'warning',
  finds: 'a table of another program passes packets between pods to a process (NFQUEUE)',
  effect: 'that process can drop what policies allow; if it does not run, the kernel may drop all these packets',
  remedy: 'run only one program that enforces policies',
  find: ({ between }) => findForeign(between, 'queue').map((found) => ({ ...found, policies: [] })),
};

export const foreignUntrack: Check<ExaminedFacts> = {
  id: 'foreign-untrack',
  severity: 'warning',
  finds: 'a table of another program exempts packets between pods from connection tracking (notrack)',
  effect: 'rules check replies of isolated pods as if they opened a connection, so allowed connections fail',
  remedy: 'remove the notrack rule for addresses of pods',
  find: ({ between }) => findForeign(between, 'untrack'),
};
