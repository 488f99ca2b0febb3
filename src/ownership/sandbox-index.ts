import { compareText } from '../lib/sort.ts';
import type { ObjectKey, Pod, Sandbox } from '../model/cluster.ts';
import { sizeOfAll } from '../lib/table-size.ts';

/** The sandboxes of this node, by pod and by address. */
export class SandboxIndex {
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #byPod = new Map<ObjectKey, Set<Sandbox>>();
  /** Live sandboxes only. */
  readonly #byAddress = new Map<string, Set<Sandbox>>();

  get(id: string): Sandbox | undefined {
    return this.#sandboxes.get(id);
  }

  set(id: string, sandbox: Sandbox | undefined): void {
    const before = this.#sandboxes.get(id);
    if (before) {
      this.#sandboxes.delete(id);
      removeFrom(this.#byPod, podOf(before), before);
      if (before.live) for (const address of before.addresses) removeFrom(this.#byAddress, address, before);
    }
    if (sandbox) {
      this.#sandboxes.set(id, sandbox);
      addTo(this.#byPod, podOf(sandbox), sandbox);
      if (sandbox.live) for (const address of sandbox.addresses) addTo(this.#byAddress, address, sandbox);
    }
  }

  /** All sandboxes, live or not, of all pods that have had this name. */
  ofPod(key: ObjectKey): Iterable<Sandbox> {
    return this.#byPod.get(key) ?? [];
  }

  /** Live sandboxes that list the address. Only the latest one has it (`holderOf`). */
  withAddress(address: string): Iterable<Sandbox> {
    return this.#byAddress.get(address) ?? [];
  }

  /** The live sandbox that has the address: the latest one that lists it. */
  holderOf(address: string): Sandbox | undefined {
    return latestOf(this.withAddress(address));
  }

  get size(): number {
    return this.#sandboxes.size + sizeOfAll(this.#byPod.values()) + sizeOfAll(this.#byAddress.values());
  }
}

/** The sandbox's pod by name. Several pods may have had this name; `Sandbox.uid` tells them apart. */
export function podOf({ namespace, name }: Sandbox): ObjectKey {
  return `${namespace}/${name}`;
}

/** The sandbox of a static pod has the kubelet's uid of the pod, not the uid of its mirror pod. */
export function isSandboxOf({ namespace, name, uid }: Sandbox, pod: Pod): boolean {
  return pod.namespace === namespace && pod.name === name && uid === (pod.mirrorOf ?? pod.uid);
}

export function latestOf(sandboxes: Iterable<Sandbox>): Sandbox | undefined {
  let latest: Sandbox | undefined;
  for (const each of sandboxes) {
    // Two sandboxes may have the same order; the id then makes the choice deterministic.
    if (!latest || each.order > latest.order || (each.order === latest.order && compareText(each.id, latest.id) > 0)) {
      latest = each;
    }
  }
  return latest;
}

function addTo<T>(table: Map<string, Set<T>>, key: string, value: T): void {
  const values = table.get(key);
  if (values) values.add(value);
  else table.set(key, new Set([value]));
}

function removeFrom<T>(table: Map<string, Set<T>>, key: string, value: T): void {
  const values = table.get(key);
  if (values?.delete(value) && values.size === 0) table.delete(key);
}
