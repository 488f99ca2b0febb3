import type { Figure } from '../figure.ts';
import { pairs } from '../measure.ts';
import type { Shape } from '../cluster/shapes.ts';
import { TrafficProgram, type TrafficEnds } from '../packets/traffic-program.ts';
import { churn, describeRate } from './churn.ts';
import { extraNamespace, extraPods, extras } from './extra-namespaces.ts';
import { percentile, timeFigures } from './latency.ts';
import type { MeasuredNode } from './measured-node.ts';
import type { Members } from './members.ts';
import type { Rate } from './schedule.ts';

const { talkers } = extras;
const port = 9;
const milliseconds = 200;
const quietRounds = 25;

/** Isolates both pods, and lets them talk. */
const policy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'talk', namespace: talkers.name, uid: 'uid-talk', resourceVersion: '1', generation: 1 },
  spec: {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector: {} }], ports: [{ protocol: 'UDP', port }] }],
    egress: [{ to: [{ podSelector: {} }], ports: [{ protocol: 'UDP', port }] }],
  },
};

/** B6: two pods of the node exchange packets all the while. What the churn costs them, and what they cost the changes. */
export async function measureTraffic(
  node: MeasuredNode,
  shape: Shape,
  members: Members,
  rate: Rate,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const pods = extraPods(shape, talkers);
  await node.add([extraNamespace(shape, talkers.name, 0), policy, ...pods]);
  const [from, to] = [await node.openSandbox(pods[0]!), await node.openSandbox(pods[1]!)];
  const ends: TrafficEnds = { from, to, address: pods[1]!.status.podIPs[0]!.ip };
  const program = await TrafficProgram.compile(node.directory);
  const measure = (): Promise<number> => program.rate(ends, 'answered', port, milliseconds);
  const quiet: number[] = [];
  for (let round = 0; round < quietRounds; round++) {
    progress(`traffic: ${round + 1} of ${quietRounds}`);
    quiet.push(await measure());
  }
  const over = new AbortController();
  const [busy, { latencies, waiting }] = await Promise.all([
    repeat(measure, over.signal),
    churn(node, members, rate, (message) => progress(`traffic, ${message}`)).finally(() => over.abort()),
  ]);
  const on = `${shape.name}: ${describeRate(rate)}, while two pods exchange packets`;
  const known = latencies.filter((each) => each !== undefined);
  const usual = percentile(quiet, 0.5);
  return [
    {
      id: 'B6',
      what: `${on}: small UDP of an answered flow, over the same without churn`,
      unit: 'ratio',
      sides: '1/s',
      runs: pairs(
        busy,
        busy.map(() => usual),
      ),
    },
    { id: 'B6', what: `${on}: not in force at the end`, unit: 'changes waiting', runs: [{ value: waiting }] },
    ...(known.length > 0 ? timeFigures('B6', `${on}: label, event sent → in force`, [known]) : []),
  ];
}

async function repeat(measure: () => Promise<number>, over: AbortSignal): Promise<number[]> {
  const values: number[] = [];
  while (!over.aborted) values.push(await measure());
  return values;
}
