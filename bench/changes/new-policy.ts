import type { Figure } from '../figure.ts';
import { pairs } from '../measure.ts';
import type { Shape } from '../cluster/shapes.ts';
import { extraNamespace, extraPods, extraPolicies, extras } from './extra-namespaces.ts';
import { scriptOf } from './forecast.ts';
import { inForceAt } from './in-force.ts';
import type { MeasuredNode } from './measured-node.ts';

const { name } = extras.crowd;

/** Selects all these pods, with peers by label from some namespaces, ipBlocks and single ports. */
const newPolicy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'new', namespace: name, uid: 'uid-new', resourceVersion: '1', generation: 1 },
  spec: {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { team: 'team-1' } },
            podSelector: { matchLabels: { 'app.kubernetes.io/component': 'backend' } },
          },
        ],
        ports: [8081, 9201].map((port) => ({ protocol: 'TCP', port })),
      },
    ],
    egress: [
      {
        to: [{ ipBlock: { cidr: '192.10.0.0/16', except: ['192.10.7.0/24'] } }],
        ports: [443, 5433].map((port) => ({ protocol: 'TCP', port })),
      },
    ],
  },
};

/** B4: a policy that selects a hundred pods of this node, compared with one script of the same operations. */
export async function measureNewPolicy(
  node: MeasuredNode,
  shape: Shape,
  rounds: number,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const policies = Math.round(shape.policies / shape.namespaces);
  const crowd = { ...extras.crowd, policies };
  const objects = [extraNamespace(shape, name, 0), ...extraPolicies(shape, crowd), ...extraPods(shape, crowd)];
  await node.add(objects);
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = -1; round < rounds; round++) {
    progress(`a new policy: ${Math.max(0, round)} of ${rounds}`);
    const [made, undone] = await node.undisturbed(
      async () => [await node.change('ADDED', newPolicy), await node.change('DELETED', newPolicy)],
      () => node.tell('DELETED', newPolicy),
    );
    if (round < 0) await node.twin.load(scriptOf(node.forecast.whole()));
    const baseline = await node.twin.run(scriptOf(made.stages, 'make', 'switch'));
    const rest = made.stages.filter(({ name: stage }) => stage === 'break' || stage === 'delete');
    for (const stage of [...rest, ...undone.stages]) await node.twin.run(scriptOf([stage]));
    // The first round is a warm-up.
    if (round < 0) continue;
    ours.push(inForceAt(made.stages, 'addition') - made.sent);
    bare.push(baseline);
  }
  const what = `${shape.name}: a new policy on 100 local pods`;
  return [
    { id: 'B4', what, unit: 'ratio', sides: 'ms', bar: { atMost: 3 }, runs: pairs(ours, bare) },
    { id: 'B4', what: `${what}, event sent → in force`, unit: 'ms', runs: ours.map((value) => ({ value })) },
  ];
}
