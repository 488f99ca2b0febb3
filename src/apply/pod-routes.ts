import { readDevices, type Devices } from './devices.ts';
import type { Exec } from './exec.ts';
import { askIp, type IpObject } from './ip.ts';
import { judgeOtherRoute, judgeRoute, type Inside, type Outside, type Way } from './judge-route.ts';

export interface PodAddresses {
  readonly key: string;
  readonly addresses: readonly string[];
}

export interface PodRoutes {
  /** Addresses that are reached over a bridge → its name. */
  readonly bridged: ReadonlyMap<string, string>;
  /** Pod → those of its addresses that have been outside for long enough to tell. */
  readonly outside: ReadonlyMap<string, ReadonlyMap<string, Outside>>;
}

/**
 * For how long, in milliseconds, an address must lead outside before that is said. The address of a pod that starts, or whose sandbox
 * a restarted node has yet to make again, leads wherever the rest of its subnet does.
 */
const patience = 60_000;

/** Finds how the node reaches its pods: an address that leads inside is asked about once, as long as the pod has it. */
export class PodRouteFinder {
  readonly #exec: Exec;
  readonly #now: () => number;
  #inside = new Map<string, Inside>();
  /** Since when. */
  #outside = new Map<string, number>();

  /** @param now milliseconds of a clock that nobody sets */
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
    const ways = await findWays(this.#exec, asked, devices, signal);

    const inside = new Map<string, Inside>();
    const outsideSince = new Map<string, number>();
    const bridged = new Map<string, string>();
    const outside = new Map<string, Map<string, Outside>>();
    for (const { pod, address, key } of all) {
      const way = this.#inside.get(key) ?? ways.get(address);
      if (way?.isInside) {
        inside.set(key, way);
        if (way.bridge !== undefined) bridged.set(address, way.bridge);
      } else if (way) {
        const since = this.#outside.get(key) ?? this.#now();
        outsideSince.set(key, since);
        if (this.#now() - since < patience) continue;
        outside.set(pod, (outside.get(pod) ?? new Map<string, Outside>()).set(address, way));
      }
    }
    this.#inside = inside;
    this.#outside = outsideSince;
    return { bridged, outside };
  }
}

/** However many addresses: a run of ip for their routes, one for devices not known, and as many again if any leads outside. */
async function findWays(
  exec: Exec,
  addresses: ReadonlySet<string>,
  bridges: Devices,
  signal: AbortSignal,
): Promise<Map<string, Way>> {
  const ways = new Map<string, Way>();
  const routes = await askIp(exec, { commands: Array.from(addresses, (each) => `route get ${each}`) }, signal);
  let devices = await addDevices(exec, bridges, routes, signal);
  for (const route of routes.flat()) {
    const way = judgeRoute(route, devices);
    if (way && typeof route['dst'] === 'string') ways.set(route['dst'], way);
  }
  for (const family of ['-4', '-6'] as const) {
    const outside = [...ways].filter(
      ([address, { isInside }]) => !isInside && address.includes(':') === (family === '-6'),
    );
    const always = outside.map(([address]) => `route show table all to match ${address}`);
    const tables = await askIp(exec, { family, always }, signal);
    devices = await addDevices(exec, devices, tables, signal);
    for (const [index, [address, way]] of outside.entries()) {
      const inside = tables[index]!.map((route) => judgeOtherRoute(route, way, devices)).find((each) => each.isInside);
      if (inside) ways.set(address, inside);
    }
  }
  return ways;
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
