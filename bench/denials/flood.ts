import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { python } from '../../src/lab/pod-process.ts';
import type { ImageAgent } from '../agent/image-agent.ts';
import { BenchNode } from '../agent/node.ts';
import type { LocalPod } from '../agent/sandboxes.ts';
import type { Bench, Run } from '../figure.ts';
import { interleave } from '../measure.ts';
import { processorTime } from '../processor.ts';

const spray = fileURLToPath(new URL('spray.py', import.meta.url));
/** One million per minute. */
const perSecond = 16_667;
const seconds = 20;
const rounds = 5;
const patienceMs = 30_000;

const nodeName = 'node-0';
const denied = pod('denied', '10.128.0.2', '00000001');
const sender = pod('sender', '10.128.0.3', '00000002');
const objects: readonly object[] = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: nodeName, uid: 'uid-node', resourceVersion: '1' },
    spec: { podCIDRs: ['10.128.0.0/24'] },
    status: {},
  },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x', uid: 'uid-x', resourceVersion: '1' } },
  denied,
  sender,
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'x', name: 'all', uid: 'uid-all', resourceVersion: '1', generation: 1 },
    spec: { podSelector: { matchLabels: { app: 'denied' } } },
  },
];

function pod(name: string, ip: string, id: string): LocalPod {
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'x',
      name,
      uid: `${id}-0000-4000-8000-000000000000`,
      resourceVersion: '1',
      labels: { app: name },
    },
    spec: { nodeName, containers: [{ name: 'main', image: 'none' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
  return object;
}

export const denialFlood: Bench = {
  name: 'denials',
  summary:
    'the agent, as the image runs it, while a pod is sent a million datagrams a minute that are denied, and while it is sent none (D1)',
  async run(progress) {
    progress('a node');
    const node = await BenchNode.of(nodeName, () => objects);
    try {
      const agent = node.startAgent();
      await agent.ready();
      await node.openSandbox(denied);
      const from = await node.openSandbox(sender);
      const flood = async (): Promise<void> => {
        const total = String(perSecond * seconds);
        const sent = await runInNamespace(from, python, [spray, denied.status.podIPs[0]!.ip, total, String(perSecond)]);
        if (sent !== total) throw new Error(`only ${sent} of ${total} datagrams left`);
      };
      const idle = (): Promise<void> => wait(seconds * 1000);
      const measured = await interleave(
        [idle, flood],
        rounds,
        (load) => shareOf(agent.pid, load),
        (done, of) => progress(`${done} of ${of}`),
      );
      await assertDenied(agent);
      const runsOf = (load: () => Promise<void>): Run[] => measured.get(load)!.map((value) => ({ value }));
      const figure = (what: string, runs: Run[], atMost?: number) => {
        return { id: 'D1', what, unit: '% of a core' as const, ...(atMost !== undefined && { bar: { atMost } }), runs };
      };
      return [
        figure('a million denied packets a minute: processor, agent and nft', runsOf(flood), 5),
        figure('none: processor, agent and nft', runsOf(idle)),
      ];
    } finally {
      await node.down();
    }
  },
};

/** An agent that sees no denied packet would look cheap. */
async function assertDenied(agent: ImageAgent): Promise<void> {
  const sent = perSecond * seconds * rounds;
  const end = performance.now() + patienceMs;
  for (;;) {
    const counted = await agent.metric('postern_denied_packets_total{direction="ingress"}');
    if (counted >= 0.9 * sent) return;
    if (performance.now() > end) throw new Error(`the agent has counted ${counted} of ${sent} denied packets`);
    await wait(1000);
  }
}

/** Processor time of a process and its children during the load, in percent of a core. */
async function shareOf(pid: number, load: () => Promise<void>): Promise<number> {
  const [start, before] = [performance.now(), processorTime(pid)];
  await load();
  const after = processorTime(pid);
  const took = after.own + after.children - before.own - before.children;
  return (100 * took) / (performance.now() - start);
}
