import type { Indexer } from '../../src/indexer/indexer.ts';
import { sorted } from '../../src/lib/sort.ts';
import type { PodKey } from '../../src/model/snapshot.ts';
import { describeGroup } from '../kinds/describe-policy.ts';

/** A Snapshot in words. Pods are `namespace/name`, with the uid where it is another. */
export interface SnapshotDescription {
  /** Local pod -> `addresses: policies` */
  readonly pods: Readonly<Record<string, string>>;
  /** Selection -> its members with their addresses. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Address -> the directions in which it is isolated without allows. */
  readonly denied: Readonly<Record<string, string>>;
  /** Address of a local pod, or denied -> `device`, or `device/port` of a bridge. */
  readonly links: Readonly<Record<string, string>>;
  /** Ids of live sandboxes whose pod is not known. */
  readonly unknown: readonly string[];
  /** `pod: code` */
  readonly issues: readonly string[];
}

export function describeSnapshot(indexer: Indexer): SnapshotDescription {
  const { localPods, policies, groups, denied, deniedLinks } = indexer.snapshot();
  const selections = new Map([...policies.values()].flatMap((policy) => [...policy.groups]));
  return {
    pods: record(
      [...localPods].map(([key, pod]) => [nameOf(key), `${pod.addresses.join(' ')}: ${pod.policies.join(' ')}`]),
    ),
    groups: record(
      [...groups].map(([id, { members }]) => [
        describeGroup(selections.get(id)!),
        sorted([...members].map(([key, { addresses }]) => [nameOf(key), ...addresses].join(' '))),
      ]),
    ),
    denied: record([...denied].map(([address, isolated]) => [address, sorted(isolated).join(' ')])),
    links: record(
      [...localPods.values().flatMap(({ links }) => links), ...deniedLinks].map(([address, { device, port }]) => [
        address,
        port === undefined ? device : `${device}/${port}`,
      ]),
    ),
    unknown: sorted(indexer.unknownSandboxes.map(({ id }) => id)),
    issues: sorted([...indexer.issues].flatMap(([key, issues]) => issues.map(({ code }) => `${nameOf(key)}: ${code}`))),
  };
}

function nameOf(key: PodKey): string {
  const [namespace, name, ...uid] = key.split('/');
  return uid.join('/') === `${namespace}/${name}` ? `${namespace}/${name}` : `${namespace}/${name} (${uid.join('/')})`;
}

function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
