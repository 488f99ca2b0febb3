import { Gauge, type Registry } from 'prom-client';

export interface SnapshotSizes {
  readonly localPods: number;
  readonly policies: number;
  readonly groups: number;
  readonly members: number;
}

/** Metrics of the Snapshot: the part of the cluster that this node needs. */
export interface SnapshotMetrics {
  sizes(sizes: SnapshotSizes): void;
  /** `count` is called at each scrape. It counts local pods whose addresses are not in the kernel's rules yet (S7.6). */
  unprogrammed(count: () => number): void;
}

export function createSnapshotMetrics(registry: Registry): SnapshotMetrics {
  const registers = [registry];
  const localPods = new Gauge({
    name: 'postern_local_pods',
    help: 'Pods of this node that policies may isolate.',
    registers,
  });
  let countUnprogrammed = (): number => 0;
  new Gauge({
    name: 'postern_unprogrammed_local_pods',
    help: 'Pods of this node whose addresses are not in the rules yet: with the gate they have no network, without it no policy applies to them.',
    registers,
    collect() {
      this.set(countUnprogrammed());
    },
  });
  const policies = new Gauge({
    name: 'postern_policies',
    help: 'Policies that apply to a pod of this node.',
    registers,
  });
  const groups = new Gauge({
    name: 'postern_address_groups',
    help: 'Address groups that those policies use.',
    registers,
  });
  const members = new Gauge({
    name: 'postern_address_group_members',
    help: 'Pods in those groups; a pod counts once in each of its groups.',
    registers,
  });
  return {
    sizes(sizes) {
      localPods.set(sizes.localPods);
      policies.set(sizes.policies);
      groups.set(sizes.groups);
      members.set(sizes.members);
    },
    unprogrammed(count) {
      countUnprogrammed = count;
    },
  };
}
