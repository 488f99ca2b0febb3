import { shapes, type Shape } from '../cluster/shapes.ts';
import type { Bench } from '../figure.ts';
import { MeasuredNode } from './measured-node.ts';
import { measureMemberChanges } from './member-changes.ts';
import { findMembers } from './members.ts';

const shape: Shape = { ...shapes.small, name: 'small with 100 ClusterNetworkPolicies', clusterPolicies: 100 };
const rounds = 9;
const pods = 100;

/** Whether one change is as quick where ClusterNetworkPolicies select every pod: the bars are those of B3. */
export const tierChanges: Bench = {
  name: 'tier-changes',
  summary: 'changes of one pod, on the agent as the image runs it, with 100 ClusterNetworkPolicies for every pod (B3)',
  against: 'one element by netlink',
  run(progress) {
    return MeasuredNode.with(shape, progress, async (node) => {
      progress('looking for pods that matter');
      return measureMemberChanges(
        node,
        findMembers(node, shape, pods),
        { rounds, together: pods },
        shape.name,
        progress,
      );
    });
  },
};
