import { Gauge, type Registry } from 'prom-client';

export interface SnapshotSizes {
  readonly localPods: number;
  readonly policies: number;
  readonly groups: number;
  readonly members: number;
}

/** What this node must know of the cluster. */
export interface SnapshotMetrics {
  sizes(sizes: SnapshotSizes): void;
  /** Asked at each scrape: local pods without an address in the kernel yet, for which without a gate no policy holds (S7.6). */
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
    help: 'Pods of this node without an address in the kernel yet: with the gate nothing passes, without it no policy holds for them.',
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
    help: 'Address groups that those policies name.',
    registers,
  });
  const members = new Gauge({
    name: 'postern_address_group_members',
    help: 'Pods in those groups; one that is in several counts in each.',
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
