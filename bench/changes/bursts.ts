import { setTimeout } from 'node:timers/promises';
import type { Figure, Run } from '../figure.ts';
import type { Shape } from '../cluster/shapes.ts';
import { teamsOf } from '../cluster/nodes.ts';
import { monotonic } from '../monotonic.ts';
import { extraNamespace, extraPods, extras } from './extra-namespaces.ts';
import { inForceAt } from './in-force.ts';
import type { MeasuredNode } from './measured-node.ts';
import { ending, starting, type PodObject } from './pods.ts';

const atMostSeconds = 2;
const perSecond = 50;
const rollouts = 3;
const relabels = 5;

/** B9: a rollout of 500 pods of other nodes that policies of this node name, over 10 seconds. */
export async function measureRollout(
  node: MeasuredNode,
  shape: Shape,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const [team] = namedTeams(node, shape);
  const { rollout, nextRollout } = extras;
  const generations = [rollout, nextRollout].map((each) => extraPods(shape, each));
  await node.add([extraNamespace(shape, rollout.name, team!), ...generations[0]!]);
  const runs: Run[] = [];
  for (let run = 0; run < rollouts; run++) {
    progress(`rollout ${run + 1} of ${rollouts}`);
    const [old, fresh] = [generations[run % 2]!, generations[(run + 1) % 2]!];
    runs.push({ value: await rollOut(node, old, fresh) });
  }
  const what = `${shape.name}: a rollout of ${rollout.pods} pods, ${perSecond}/s, events of the last pod sent → last transaction`;
  return [{ id: 'B9', what, unit: 's', bar: { atMost: atMostSeconds }, runs }];
}

/**
 * Each new pod is created, then runs; then its predecessor gets a deletion timestamp, and is deleted. Seconds from the events of the last pod, which are sent at once,
 * until the agent's last transaction.
 */
async function rollOut(node: MeasuredNode, old: readonly PodObject[], fresh: readonly PodObject[]): Promise<number> {
  const started = monotonic();
  let last = 0;
  for (const [i, pod] of fresh.entries()) {
    const wait = started + (1000 * i) / perSecond - monotonic();
    if (wait > 1) await setTimeout(wait);
    last = node.tell('ADDED', starting(pod));
    node.tell('MODIFIED', pod);
    node.tell('MODIFIED', ending(old[i]!));
    node.tell('DELETED', old[i]!);
  }
  const commits = await node.settle();
  const sent = await node.sentAt(last);
  const end = commits.at(-1)?.at ?? 0;
  if (end < sent) throw new Error('the last pod has changed nothing');
  return (end - sent) / 1000;
}

/** B9: a label of a namespace with 1,000 pods of other nodes changes, so that they leave some groups of this node and join others. */
export async function measureRelabel(
  node: MeasuredNode,
  shape: Shape,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const { relabelled } = extras;
  const teams = namedTeams(node, shape);
  const objects = teams.map((team) => extraNamespace(shape, relabelled.name, team));
  await node.add([objects[0]!, ...extraPods(shape, relabelled)]);
  const runs: Run[] = [];
  let turn = 0;
  for (let run = 0; run < relabels; run++) {
    progress(`relabelled namespace ${run + 1} of ${relabels}`);
    const { sent, stages } = await node.undisturbed(
      () => node.change('MODIFIED', objects[++turn % 2]!),
      () => node.tell('MODIFIED', objects[--turn % 2]!),
    );
    const inForce = Math.max(inForceAt(stages, 'addition'), inForceAt(stages, 'removal'));
    runs.push({ value: (inForce - sent) / 1000 });
  }
  const what = `${shape.name}: a namespace of ${relabelled.pods} pods joins another team, event sent → in force`;
  return [{ id: 'B9', what, unit: 's', bar: { atMost: atMostSeconds }, runs }];
}

/** The two teams of namespaces that most groups of this node select as a team: they have pods of more than one of its namespaces. */
function namedTeams({ forecast }: MeasuredNode, shape: Shape): number[] {
  const teams = teamsOf(shape);
  const named = Array.from({ length: teams }, (_, team) => ({ team, groups: 0 }));
  for (const members of forecast.groups) {
    const namespaces = new Set([...members].map((key) => Number(/^tenant-(\d+)\//.exec(key)?.[1])));
    const counts = Map.groupBy(namespaces, (index) => index % teams);
    for (const [team, of] of counts) if (of.length > 1) named[team]!.groups++;
  }
  return named
    .sort((a, b) => b.groups - a.groups)
    .slice(0, 2)
    .map(({ team }) => team);
}
