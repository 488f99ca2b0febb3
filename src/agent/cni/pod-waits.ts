import type { LocalPod, Snapshot } from '../../model/snapshot.ts';

/** A pod by the kubelet's uid, with the addresses that it is about to have. */
export interface StartingPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly addresses: readonly string[];
}

interface Wait {
  readonly pod: StartingPod;
  readonly done: () => void;
  /** The rules that are being written are those of this pod too. */
  isPlanned: boolean;
}

type Facts = Pick<Snapshot, 'inSync' | 'localPods' | 'denied'>;

/** Why rules by this Snapshot do not let the pod send and receive what its policies allow; `undefined` if they do. */
export function findObstacle(pod: StartingPod, { inSync, localPods, denied }: Facts): string | undefined {
  if (!inSync) return 'the agent has not read the cluster yet';
  const local = findPod(pod, localPods);
  if (!local) return `the agent does not know the pod ${pod.namespace}/${pod.name} yet`;
  const missing = pod.addresses.find((address) => !local.addresses.includes(address));
  if (missing !== undefined) return `the address ${missing} does not belong to the pod yet`;
  if (local.isHeldBack) return `the agent does not know the Namespace object ${pod.namespace} yet`;
  const held = pod.addresses.find((address) => denied.has(address));
  return held && `the agent still deletes connections of the last pod with the address ${held}`;
}

function findPod({ namespace, name, uid }: StartingPod, pods: Snapshot['localPods']): LocalPod | undefined {
  const prefix = `${namespace}/${name}/`;
  const found = pods.get(`${prefix}${uid}`);
  // The mirror object of a static pod has another uid.
  return found ?? pods.values().find(({ key, mirrorOf }) => mirrorOf === uid && key.startsWith(prefix));
}

/** Starting pods that wait until their rules are in the kernel. */
export class PodWaits {
  readonly #snapshot: () => Facts;
  readonly #changed: () => void;
  readonly #waits = new Set<Wait>();

  /** @param changed makes the reconciler plan, also if nothing seems to have changed */
  constructor(snapshot: () => Facts, changed: () => void) {
    this.#snapshot = snapshot;
    this.#changed = changed;
  }

  /** Resolves with `undefined` when the rules are in the kernel, or when the signal aborts: then with why they are not. */
  async wait(pod: StartingPod, signal: AbortSignal): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wait: Wait = { pod, done: () => resolve(true), isPlanned: false };
    const giveUp = (): void => resolve(false);
    this.#waits.add(wait);
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    this.#changed();
    try {
      if (await promise) return undefined;
      return findObstacle(pod, this.#snapshot()) ?? 'the kernel has not taken the rules yet';
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#waits.delete(wait);
    }
  }

  /** To be called right before the agent plans a change. */
  planned(): void {
    if (this.#waits.size === 0) return;
    const snapshot = this.#snapshot();
    for (const wait of this.#waits) wait.isPlanned = findObstacle(wait.pod, snapshot) === undefined;
  }

  /** The last planned change is in force. */
  applied(): void {
    for (const wait of this.#waits) if (wait.isPlanned) wait.done();
  }
}
