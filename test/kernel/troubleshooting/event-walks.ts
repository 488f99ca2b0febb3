import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { NftShim } from '../nft-shim.ts';
import { listTables } from '../our-tables.ts';
import { block, policy } from '../policies.ts';
import { tooLong } from './dashboard.ts';
import type { TroubledLab } from './troubled-lab.ts';
import type { Walk } from './walk.ts';

const symptom = 'A policy does nothing';
const says = 'an Event that names the field, or why the pod cannot be enforced';

async function restartWith(at: TroubledLab, env: Readonly<Record<string, string>>): Promise<void> {
  const agent = at.lab.agents.get('n1')!;
  at.mend(() => agent.restart());
  await agent.restart({ env });
  await at.lab.settle();
}

async function becomesEvent(at: TroubledLab, reason: string): Promise<void> {
  await eventually(async () => {
    const events = at.lab.store.list('events').items;
    return events.some((each) => each['reason'] === reason) ? undefined : JSON.stringify(events);
  });
}

/** What agents tell of themselves, to the owners of objects and to whoever measures. */
export const eventWalks: readonly Walk[] = [
  {
    symptom,
    ask: '`kubectl -n SHOP events`',
    says,
    make: async (at) => {
      const shim = await NftShim.create();
      at.mend(() => shim.remove());
      await restartWith(at, shim.env);
      await shim.refuse('192.0.2.66');
      await at.apply(policy('shop', 'odd', { ingress: [{ from: [block('192.0.2.66/32')] }] }));
      await becomesEvent(at, 'RefusedByKernel');
    },
    exitCode: 0,
    cause: /Warning +RefusedByKernel +NetworkPolicy\/odd +spec: the kernel refuses this policy/,
  },
  {
    symptom,
    ask: '`kubectl -n SHOP describe pod WEB`',
    says,
    make: async (at) => {
      const { store, plan } = at.lab;
      const find = () => structuredClone(store.get('pods', { namespace: 'shop', name: 'web' }));
      const status = find().status as object;
      const put = (more: object) => store.updateStatus('pods', { ...find(), status: { ...status, ...more } });
      const ip = plan.nodes[0]!.addresses[0]!;
      at.mend(() => put({}));
      put({ podIP: ip, podIPs: [{ ip }] });
      await becomesEvent(at, 'NodeAddress');
    },
    exitCode: 0,
    cause: /^Name: +web\n[^]*\n +Warning +NodeAddress +\S+ +postern\S* +status\.podIPs: 172\.30\.0\.2 is a node's/m,
  },
  {
    symptom: 'Throughput is low, or everything is slow',
    ask: '[the dashboard](reference/metrics.md#dashboard)',
    says: 'time from event to kernel, time of an apply',
    make: async (at) => {
      const flag = join(at.folder, 'slow');
      const once = `[ "$*" != '-f -' ] || ! rm ${flag} 2>/dev/null || sleep ${tooLong + 0.5}`;
      // None stays, so that the change is a run.
      const none = 'case "$*" in *-i) exit 1 ;; esac';
      const path = await at.addProgram('nft', `${none}\n${once}\nPATH=\${PATH#*:}; exec nft "$@"`);
      await restartWith(at, { PATH: `${path}${process.env['PATH']}` });
      // What is out of use goes after the change is in force, by a run of its own.
      await listTables(at.lab);
      await writeFile(flag, '');
      await at.apply(policy('shop', 'web', { pods: { pod: 'web' }, ingress: [] }));
    },
    exitCode: 0,
    cause: /^From event to kernel .*: n1 [1-9].*\nRuns of nft, p99 by stage .*: n1 [1-9]/m,
  },
];
