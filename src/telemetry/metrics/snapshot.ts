import { Gauge, type Registry } from 'prom-client';

export interface SnapshotSizes {
  readonly localPods: number;
  readonly policies: number;
  readonly groups: number;
  readonly members: number;
}

/** Metrics of the Snapshot: the part of the cluster that this node needs. */
export interface SnapshotMetrics {
  /** @param read returns the sizes at each scrape */
  sizes(read: () => SnapshotSizes): void;
  /** `count` is called at each scrape. It counts local pods whose addresses are not in the kernel's rules yet (S7.6). */
  unprogrammed(count: () => number): void;
}

export function createSnapshotMetrics(registry: Registry): SnapshotMetrics {
  const registers = [registry];
  let readSizes: () => SnapshotSizes | undefined = () => undefined;
  const gauge = (name: string, help: string, size: keyof SnapshotSizes): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(readSizes()?.[size] ?? 0);
      },
    });
  };
  gauge('postern_local_pods', 'Pods of this node that policies may isolate.', 'localPods');
  let countUnprogrammed = (): number => 0;
  new Gauge({
    name: 'postern_unprogrammed_local_pods',
    help: 'Pods of this node whose addresses are not in the rules yet: with the gate they have no network, without it no policy applies to them.',
    registers,
    collect() {
      this.set(countUnprogrammed());
    },
  });
  gauge('postern_policies', 'Policies that apply to a pod of this node.', 'policies');
  gauge('postern_address_groups', 'Address groups that those policies use.', 'groups');
  gauge('postern_address_group_members', 'Pods in those groups; a pod counts once in each of its groups.', 'members');
  return {
    sizes(read) {
      readSizes = read;
    },
    unprogrammed(count) {
      countUnprogrammed = count;
    },
  };
}
