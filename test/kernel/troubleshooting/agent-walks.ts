import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judgeNode, readNodeReport } from '../../../src/doctor/report.ts';
import type { NodeFacts } from '../../../src/doctor/facts.ts';
import { kubeconfigText } from '../../../src/lab/kubeconfig.ts';
import { createNamespace } from '../../../src/lab/network-namespace.ts';
import { podState, withFlowTable, withState } from '../../doctor/healthy.ts';
import { hastyApiServer } from '../../support/fault-programs.ts';
import { readPage } from '../agent-pages.ts';
import { eventually } from '../eventually.ts';
import { addOwnSandbox } from '../own-sandbox.ts';
import { policy } from '../policies.ts';
import { doctorWalk } from './doctor-walks.ts';
import type { TroubledLab } from './troubled-lab.ts';
import type { Walk } from './walk.ts';

const starts = 'A pod that starts has no network';
const nothing = 'A policy does nothing';
const differs = 'One node is different';
const ofNode = ' --node NODE';

/** A policy that n1 does not hear of. */
async function leaveBehind(at: TroubledLab): Promise<void> {
  await cutOff(at);
  at.lab.apply([policy('shop', 'late', { ingress: [] })]);
}

/** n1 from the API server. */
async function cutOff(at: TroubledLab): Promise<void> {
  const { lab } = at;
  const agent = lab.agents.get('n1')!;
  at.mend(async () => {
    agent.reconnect();
    // Each watch retries with its own back-off, of up to 30 s. A change of each kind that walks make shows that the watch is open.
    const pod = structuredClone(lab.store.get('pods', { namespace: 'shop', name: 'web' }));
    pod.metadata.annotations = { ...pod.metadata.annotations, reconnected: 'true' };
    lab.apply([pod, policy('shop', 'reconnected', { ingress: [] })]);
    await lab.settle();
  });
  await agent.disconnect();
}

/** What the doctor makes of these facts of n1, in place of what it finds there. */
function recordFacts(at: TroubledLab, facts: NodeFacts): void {
  at.contain('n1', {
    change: (printed) => JSON.stringify({ ...judgeNode('n1', facts), applied: readNodeReport(printed)!.applied }),
  });
}

/** Faults of agents, and of what they are told. */
export const agentWalks: readonly Walk[] = [
  doctorWalk(starts, 'agent-ready', {
    make: async (at) => {
      const agent = at.lab.agents.get('n1')!;
      const kubeconfig = join(at.folder, 'away.kubeconfig');
      await writeFile(kubeconfig, kubeconfigText('http://127.0.0.1:6444'));
      at.mend(() => agent.restart());
      await agent.restart({ args: ['--kubeconfig', kubeconfig] });
      await eventually(async () => {
        const { body } = await readPage(at.lab, 'n1', '/readyz?verbose');
        return body.includes('[-] lists') ? undefined : body;
      });
    },
    cause: /on n1: error: agent check lists \(agent-ready\)\n/,
  }),
  doctorWalk(starts, 'unknown-sandbox', {
    make: async (at) => {
      const { lab } = at;
      const sandbox = lab.names.pod('shop', 'gone');
      await createNamespace(sandbox);
      const pod = { namespace: 'shop', name: 'gone', uid: 'gone' };
      const end = await addOwnSandbox({ lab, cni: 'bridge', podAddresses: 200, sandbox, pod });
      const isTold = async (wanted: boolean): Promise<string | undefined> => {
        const { body } = await readPage(lab, 'n1', '/node');
        return body.includes('shop/gone') === wanted ? undefined : body;
      };
      at.mend(async () => {
        await end();
        await eventually(() => isTold(false));
      });
      await eventually(() => isTold(true));
    },
    cause: /on n1: warning: sandbox shop\/gone \(unknown-sandbox\)\n/,
  }),
  doctorWalk(starts, 'api-server', {
    make: cutOff,
    cause: /on n1: error: .*\(api-server\)\n +wrong +connect ECONNREFUSED/,
  }),
  doctorWalk(nothing, 'not-enforceable', {
    recorded: 'an agent says so after a minute',
    make: async (at) => {
      const message = 'this node reaches 192.0.2.8 by eth0 (macvlan), not by a veth, a tap or a bridge';
      const issue = {
        kind: 'pod',
        object: 'shop/a',
        code: 'not-enforceable',
        path: 'status.podIPs',
        message,
        effect: 'not-enforced',
      } as const;
      recordFacts(at, withState({ pods: [podState('shop/a', '192.0.2.8', { ingress: ['shop/p'] })], issues: [issue] }));
    },
    cause:
      /on n1: error: pod shop\/a \(not-enforceable\)\n +wrong +status\.podIPs: this node reaches 192\.0\.2\.8 by eth0 \(macvlan\)/,
  }),
  doctorWalk(nothing, 'flow-tables', {
    recorded: 'the kernel of the tests has none',
    make: async (at) => recordFacts(at, withFlowTable),
    cause: /on n1: error: table inet fw4 \(flow-tables\)\n +wrong +flowtable ft on eth0, cni0\n/,
  }),
  doctorWalk(nothing, 'no-agent', {
    make: async (at) =>
      at.lab.store.delete('pods', { namespace: 'postern-system', name: 'postern-n2' }, { gracePeriodSeconds: 0 }),
    cause: /^error: node n2 \(no-agent\)\n +wrong +it has no agent pod\n/m,
  }),
  doctorWalk(nothing, 'behind', {
    make: leaveBehind,
    cause: /^error: node n1 \(behind\)\n +wrong +it has not applied the current networkpolicies\n/m,
  }),
  doctorWalk(
    differs,
    'behind',
    {
      make: leaveBehind,
      cause: /^error: node n1 \(behind\)\n +wrong +it has not applied the current networkpolicies\n/m,
    },
    ofNode,
  ),
  doctorWalk(differs, 'version-skew', {
    recorded: 'there is one version of Postern here',
    make: async (at) =>
      at.contain('n2', {
        change: (printed) => JSON.stringify({ ...(JSON.parse(printed) as object), version: '0.0.9' }),
      }),
    cause: /^warning: agents \(version-skew\)\n +wrong +.*0\.0\.9 on n2/m,
  }),
  doctorWalk(differs, 'nft-skew', {
    recorded: 'there is one nft here',
    make: async (at) => {
      const other = `[ "$*" != --version ] || { echo 'nftables v1.0.6 (x)'; exit; }; PATH=\${PATH#*:}; exec nft "$@"`;
      at.contain('n2', { path: await at.addProgram('nft', other) });
    },
    cause: /^warning: nft \(nft-skew\)\n +wrong +.*1\.0\.6 on n2/m,
  }),
  doctorWalk(
    differs,
    'clock',
    {
      make: async (at) => {
        await cutOff(at);
        await at.start('n1', hastyApiServer);
      },
      cause: /on n1: warning: clock \(clock\)\n +wrong +it is 3[56]\d\d s behind the API server's\n/,
    },
    ofNode,
  ),
];
