import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Lab } from '../../src/lab/lab.ts';
import { python } from '../../src/lab/pod-process.ts';
import { stationAddress } from '../../src/lab/station.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Bench, Run } from '../figure.ts';
import { interleave } from '../measure.ts';
import { processorTime } from '../processor.ts';

const spray = fileURLToPath(new URL('spray.py', import.meta.url));
/** One million per minute. */
const perSecond = 16_667;
const seconds = 20;
const rounds = 5;

const pod = (name: string, nodeName: string): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'x', name, labels: { app: name } },
  spec: { nodeName, containers: [{ name: 'main', image: 'none' }] },
});
const objects: readonly ApiObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
  pod('denied', 'n1'),
  pod('sender', 'n2'),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'x', name: 'all' },
    spec: { podSelector: { matchLabels: { app: 'denied' } } },
  },
];

export const denialFlood: Bench = {
  name: 'denials',
  summary: 'the agent while a pod is sent a million datagrams a minute that are denied, and while it is sent none (D1)',
  async run(progress) {
    progress('a lab');
    const lab = await Lab.up({ name: `bench${process.pid}`, cni: 'bridge', objects });
    try {
      await lab.settle();
      const { pid } = lab.agents.get('n1')!;
      const address = stationAddress(lab.station('x/denied'), 'ipv4')!;
      const flood = async (): Promise<void> => {
        const sent = Number(
          await lab.exec('x/sender', python, spray, address, String(perSecond * seconds), String(perSecond)),
        );
        if (sent < perSecond * seconds) throw new Error(`only ${sent} of ${perSecond * seconds} datagrams left`);
      };
      const idle = (): Promise<void> => wait(seconds * 1000);
      const measured = await interleave(
        [idle, flood],
        rounds,
        (load) => shareOf(pid!, load),
        (done, of) => progress(`${done} of ${of}`),
      );
      const runsOf = (load: () => Promise<void>): Run[] => measured.get(load)!.map((value) => ({ value }));
      const figure = (what: string, runs: Run[], atMost?: number) => {
        return { id: 'D1', what, unit: '% of a core' as const, ...(atMost !== undefined && { bar: { atMost } }), runs };
      };
      return [
        figure('a million denied packets a minute: processor, agent and nft', runsOf(flood), 5),
        figure('none: processor, agent and nft', runsOf(idle)),
      ];
    } finally {
      await lab.down();
    }
  },
};

/** Processor time of a process and its children during the load, in percent of a core. */
async function shareOf(pid: number, load: () => Promise<void>): Promise<number> {
  const [start, before] = [performance.now(), processorTime(pid)];
  await load();
  const after = processorTime(pid);
  const took = after.own + after.children - before.own - before.children;
  return (100 * took) / (performance.now() - start);
}
