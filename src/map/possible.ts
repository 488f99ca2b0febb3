import { keyOfEnd, type FlowEnd } from '../flows/kept-flow.ts';
import { declaredPortsOf } from '../impact/declared-ports.ts';
import { isSame } from '../suggest/scene.ts';
import type { Cluster } from '../evaluator/cluster.ts';
import { makeLine, type Line, type Verdicts } from './lines.ts';
import type { Spot, Spots } from './spots.ts';

/** Pairs of workloads and ports that are judged. */
const mostLines = 40_000;
/** With so many workloads, all lines are drawn; with more, those that a rule of a policy allows. */
const fewWorkloads = 20;

/** What could be: connections of all workloads to all declared ports, for a cluster without flows. */
export function possibleLines(
  spots: Spots,
  verdicts: Verdicts,
  cluster: Cluster,
): { readonly lines: readonly Line[]; readonly notes: readonly string[] } {
  const workloads = [...spots.all].filter(({ kind }) => kind === 'workload');
  const isFew = workloads.length <= fewWorkloads;
  const lines: Line[] = [];
  let judged = 0;
  for (const to of workloads) {
    for (const reached of endsOf(to)) {
      const pod = to.pods.find(({ labels }) => reached.kind === 'workload' && isSame(labels, reached.labels))!;
      for (const { protocol, port } of declaredPortsOf(pod.object)) {
        for (const from of workloads) {
          if (from === to) continue;
          for (const opener of endsOf(from)) {
            if (++judged > mostLines) {
              const note = `the map judges ${mostLines} pairs of workloads and ports, and there are more: choose namespaces, or read flows`;
              return { lines, notes: [note] };
            }
            const line = makeLine({ from: opener, to: reached, protocol, port }, [], spots, cluster);
            if (isFew || isAllowedByRule(line, verdicts)) lines.push(line);
          }
        }
      }
    }
  }
  return { lines, notes: [] };
}

function isAllowedByRule(line: Line, verdicts: Verdicts): boolean {
  return verdicts
    .decide(line)
    .some(({ verdict, egress, ingress }) => verdict === 'allowed' && (egress.judged || ingress.judged));
}

function endsOf(spot: Spot): FlowEnd[] {
  const ends = new Map<string, FlowEnd>();
  for (const { namespace, labels } of spot.pods) {
    const end = { kind: 'workload', namespace, labels } as const;
    ends.set(keyOfEnd(end), end);
  }
  return [...ends.values()];
}
