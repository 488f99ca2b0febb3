import type { Exec } from '../apply/exec.ts';
import { findPodLinks, keepPresent } from '../apply/pod-links.ts';
import type { Link } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';

export interface LinkWatchOptions {
  readonly exec: Exec;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Called with all links that this watch found, whenever they change. */
  readonly tell: (links: ReadonlyMap<string, Link>) => void;
}

/** For how many milliseconds a link may be unknown before the watch reports an issue. A pod that starts may not have sent a packet yet. */
const unknownGraceMs = 60_000;

/** Finds the links of pods that no sandbox record names (S1.15). */
export class LinkWatch {
  readonly #options: LinkWatchOptions;
  #emitted: ReadonlyMap<string, Link> = new Map();
  /** Address → pod, at the last look. */
  #owners: ReadonlyMap<string, PodKey> = new Map();
  /** Pod and address → when its link was first unknown. */
  #unknown: ReadonlyMap<string, number> = new Map();

  constructor(options: LinkWatchOptions) {
    this.#options = options;
  }

  /** Looks once, and returns the issues of pods that the guard cannot restrict. Only one look may run at a time. */
  async look(pods: readonly LocalPod[], signal: AbortSignal): Promise<Map<PodKey, Issue[]>> {
    const { exec, tell } = this.#options;
    const owners = new Map(
      pods.flatMap(({ key, addresses, links }) =>
        addresses
          .filter((address) => !links.has(address) || this.#emitted.has(address))
          .map((address) => [address, key]),
      ),
    );
    const candidates = await findPodLinks(exec, owners.keys(), signal);
    // Neighbour entries expire, but the pod stays on its port. So a known link stays while its device exists.
    const old = [...this.#emitted].filter(([address]) => {
      return !candidates.has(address) && owners.get(address) === this.#owners.get(address);
    });
    const kept = await keepPresent(exec, new Map(old), signal);
    const certain = pods.flatMap(({ key, links }): PodAndLink[] => {
      const recorded = [...links].filter(([address]) => !this.#emitted.has(address));
      return recorded.map(([, link]) => ({ key, link }));
    });
    for (const [address, link] of kept) certain.push({ key: owners.get(address)!, link });
    const links = new Map([...provable(candidates, owners, certain), ...kept]);
    const hasChanged = textOf(links) !== textOf(this.#emitted);
    [this.#emitted, this.#owners] = [links, owners];
    if (hasChanged) tell(links);
    return this.#issuesOf(new Map([...owners].filter(([address]) => !links.has(address))));
  }

  #issuesOf(unlinked: ReadonlyMap<string, PodKey>): Map<PodKey, Issue[]> {
    const now = this.#options.now();
    const since = new Map<string, number>();
    const late = new Map<PodKey, string[]>();
    for (const [address, pod] of unlinked) {
      const first = this.#unknown.get(`${pod} ${address}`) ?? now;
      since.set(`${pod} ${address}`, first);
      if (now - first >= unknownGraceMs) late.set(pod, [...(late.get(pod) ?? []), address]);
    }
    this.#unknown = since;
    return new Map(late.entries().map(([pod, addresses]) => [pod, [issueOf(addresses)]]));
  }
}

interface PodAndLink {
  readonly key: PodKey;
  readonly link: Link;
}

/**
 * One pod may answer ARP for the addresses of others. So this removes ports that seem to belong to several pods. A port is also no proof while the link of
 * another pod is unknown: that pod may be behind it, and answer for this one. A host route is set by the node.
 */
function provable(
  found: ReadonlyMap<string, Link>,
  owners: ReadonlyMap<string, PodKey>,
  certain: readonly PodAndLink[],
): Map<string, Link> {
  const podsOf = new Map<string, Set<PodKey>>();
  const linked = new Set<PodKey>();
  const count = (key: PodKey, { device, port = device }: Link): void => {
    podsOf.set(port, (podsOf.get(port) ?? new Set()).add(key));
  };
  for (const { key, link } of certain) {
    count(key, link);
    linked.add(key);
  }
  for (const [address, link] of found) count(owners.get(address)!, link);
  const own = [...found].filter(([, { device, port = device }]) => podsOf.get(port)!.size === 1);
  for (const [address] of own) linked.add(owners.get(address)!);
  const unlinked = new Set(owners.values()).difference(linked);
  const isAlone = (key: PodKey): boolean => unlinked.size === 0 || (unlinked.size === 1 && unlinked.has(key));
  return new Map(own.filter(([address, { port }]) => port === undefined || isAlone(owners.get(address)!)));
}

function issueOf(addresses: readonly string[]): Issue {
  const message =
    `this node does not know the device of ${addresses.join(' and ')}, so the guard cannot stop this pod from sending with the address of another pod: ` +
    "use a container runtime that keeps libcni's result cache, such as containerd or CRI-O, with a CNI plugin that names the device";
  return { code: 'not-guarded', path: 'status.podIPs', message, effect: 'not-enforced' };
}

function textOf(links: ReadonlyMap<string, Link>): string {
  return Array.from(links, ([address, { device, port }]) => [address, device, port].join(' '))
    .sort()
    .join('\n');
}
