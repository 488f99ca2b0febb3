import type { Exec } from '../apply/exec.ts';
import { findPodLinks, keepPresent } from '../apply/pod-links.ts';
import type { Link } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';

export interface LinkWatchOptions {
  readonly exec: Exec;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  /** All links that were found here, whenever they are others than before. */
  readonly tell: (links: ReadonlyMap<string, Link>) => void;
}

/** For how long, in milliseconds, a link may be unknown before that is said: a pod that starts has yet to send something. */
const patience = 60_000;

/** Finds the links that no sandbox tells of (S1.15). */
export class LinkWatch {
  readonly #options: LinkWatchOptions;
  #told: ReadonlyMap<string, Link> = new Map();
  /** Which pod had the address. */
  #owners: ReadonlyMap<string, PodKey> = new Map();
  /** Pod and address -> since when its link is unknown. */
  #unknown: ReadonlyMap<string, number> = new Map();

  constructor(options: LinkWatchOptions) {
    this.#options = options;
  }

  /** Looks once, and returns what there is to say of pods that nothing keeps from the addresses of others. One look at a time. */
  async look(pods: readonly LocalPod[], signal: AbortSignal): Promise<Map<PodKey, Issue[]>> {
    const { exec, tell } = this.#options;
    const owners = new Map(
      pods.flatMap(({ key, addresses, links }) =>
        addresses.filter((address) => !links.has(address) || this.#told.has(address)).map((address) => [address, key]),
      ),
    );
    const found = withoutShared(await findPodLinks(exec, owners.keys(), signal), owners);
    // What the node knows of its neighbours it forgets; the port stays.
    const old = [...this.#told].filter(([address]) => {
      return !found.has(address) && owners.get(address) === this.#owners.get(address);
    });
    const links = new Map([...found, ...(await keepPresent(exec, new Map(old), signal))]);
    const isNews = textOf(links) !== textOf(this.#told);
    [this.#told, this.#owners] = [links, owners];
    if (isNews) tell(links);
    return this.#issuesOf(new Map([...owners].filter(([address]) => !links.has(address))));
  }

  #issuesOf(unlinked: ReadonlyMap<string, PodKey>): Map<PodKey, Issue[]> {
    const now = this.#options.now();
    const since = new Map<string, number>();
    const late = new Map<PodKey, string[]>();
    for (const [address, pod] of unlinked) {
      const first = this.#unknown.get(`${pod} ${address}`) ?? now;
      since.set(`${pod} ${address}`, first);
      if (now - first >= patience) late.set(pod, [...(late.get(pod) ?? []), address]);
    }
    this.#unknown = since;
    return new Map(late.entries().map(([pod, addresses]) => [pod, [issueOf(addresses)]]));
  }
}

/** A port that seems to be of several pods is of one that answers ARP for the others. */
function withoutShared(found: ReadonlyMap<string, Link>, owners: ReadonlyMap<string, PodKey>): Map<string, Link> {
  const podsOf = new Map<string, Set<PodKey>>();
  for (const [address, { device, port = device }] of found) {
    podsOf.set(port, (podsOf.get(port) ?? new Set()).add(owners.get(address)!));
  }
  return new Map([...found].filter(([, { device, port = device }]) => podsOf.get(port)!.size === 1));
}

function issueOf(addresses: readonly string[]): Issue {
  const message =
    `this node does not know on which of its devices ${addresses.join(' and ')} is, so nothing keeps this pod from sending as another: ` +
    "use a container runtime that keeps libcni's cache of results, as containerd and CRI-O do, with a plugin that names the device";
  return { code: 'not-guarded', path: 'status.podIPs', message, effect: 'not-enforced' };
}

function textOf(links: ReadonlyMap<string, Link>): string {
  return Array.from(links, ([address, { device, port }]) => [address, device, port].join(' '))
    .sort()
    .join('\n');
}
