import { readDevices, type Devices } from './devices.ts';
import type { Exec } from './exec.ts';
import { askIp, type IpObject } from './ip.ts';
import { judgeOtherRoute, judgeRoute, type Inside, type Outside, type PodRoute } from './judge-route.ts';

export interface PodAddresses {
  readonly key: string;
  readonly addresses: readonly string[];
}

export interface PodRoutes {
  /** Address that the node reaches through a bridge → the bridge's name. */
  readonly bridged: ReadonlyMap<string, string>;
  /** Pod → those of its addresses whose routes have led outside for the grace period. */
  readonly outside: ReadonlyMap<string, ReadonlyMap<string, Outside>>;
  /** The same for routes that lead outside for less than that. */
  readonly pending: ReadonlyMap<string, ReadonlyMap<string, Outside>>;
}

/**
 * For how many milliseconds a route must lead outside before the finder reports it. While a pod starts, or until a restarted node has created
 * the sandbox again, the pod has no route of its own, and the route of its subnet applies.
 */
const outsideGraceMs = 60_000;

/** Finds how the node reaches its pods. It looks up an address whose route leads inside once, as long as the pod has the address. */
export class PodRouteFinder {
  readonly #exec: Exec;
  readonly #now: () => number;
  #inside = new Map<string, Inside>();
  /** When the route first led outside. */
  #outside = new Map<string, number>();

  /** @param now milliseconds of a monotonic clock */
  constructor(exec: Exec, now: () => number) {
    this.#exec = exec;
    this.#now = now;
  }

  /** @param devices at least all bridges */
  async find(pods: Iterable<PodAddresses>, devices: Devices, signal: AbortSignal): Promise<PodRoutes> {
    const all = Array.from(pods).flatMap(({ key: pod, addresses }) => {
      return addresses.map((address) => ({ pod, address, key: `${pod} ${address}` }));
    });
    const asked = new Set(all.filter(({ key }) => !this.#inside.has(key)).map(({ address }) => address));
    const found = await findRoutes(this.#exec, asked, devices, signal);

    const inside = new Map<string, Inside>();
    const outsideSince = new Map<string, number>();
    const bridged = new Map<string, string>();
    const [outside, pending] = [new Map<string, Map<string, Outside>>(), new Map<string, Map<string, Outside>>()];
    for (const { pod, address, key } of all) {
      const route = this.#inside.get(key) ?? found.get(address);
      if (route?.isInside) {
        inside.set(key, route);
        if (route.bridge !== undefined) bridged.set(address, route.bridge);
      } else if (route) {
        const since = this.#outside.get(key) ?? this.#now();
        outsideSince.set(key, since);
        const to = this.#now() - since < outsideGraceMs ? pending : outside;
        to.set(pod, (to.get(pod) ?? new Map<string, Outside>()).set(address, route));
      }
    }
    this.#inside = inside;
    this.#outside = outsideSince;
    return { bridged, outside, pending };
  }
}

/** Runs ip once for all routes and once for unknown devices, and the same again for each family with routes that lead outside. */
async function findRoutes(
  exec: Exec,
  addresses: ReadonlySet<string>,
  bridges: Devices,
  signal: AbortSignal,
): Promise<Map<string, PodRoute>> {
  const found = new Map<string, PodRoute>();
  const routes = await askIp(exec, { commands: Array.from(addresses, (each) => `route get ${each}`) }, signal);
  let devices = await addDevices(exec, bridges, routes, signal);
  for (const route of routes.flat()) {
    const judged = judgeRoute(route, devices);
    if (judged && typeof route['dst'] === 'string') found.set(route['dst'], judged);
  }
  for (const family of ['-4', '-6'] as const) {
    const outside = [...found].filter(
      ([address, { isInside }]) => !isInside && address.includes(':') === (family === '-6'),
    );
    const always = outside.map(([address]) => `route show table all to match ${address}`);
    const tables = await askIp(exec, { family, always }, signal);
    devices = await addDevices(exec, devices, tables, signal);
    for (const [index, [address, known]] of outside.entries()) {
      const inside = tables[index]!.map((route) => judgeOtherRoute(route, known, devices)).find(
        (each) => each.isInside,
      );
      if (inside) found.set(address, inside);
    }
  }
  return found;
}

async function addDevices(
  exec: Exec,
  devices: Devices,
  routes: readonly (readonly IpObject[])[],
  signal: AbortSignal,
): Promise<Devices> {
  const named = routes
    .flat()
    .map(({ dev }) => dev)
    .filter((dev) => typeof dev === 'string');
  const missing = new Set(named).difference(devices);
  return missing.size === 0 ? devices : new Map([...devices, ...(await readDevices(exec, missing, signal))]);
}
