import { describeLinks, podLinkKinds, type LinkDescription } from './devices.ts';
import type { Exec } from './exec.ts';
import { askIp, type IpObject } from './ip.ts';

/** By which device, or by which port of a bridge, a pod's packets come to its node. */
export interface PodLink {
  readonly device: string;
  readonly port?: string;
}

/**
 * The links of addresses, as far as the node itself tells: a route for the address alone leads to the pod's own device; on a bridge, the neighbour
 * table has its MAC, and the bridge the port that this was seen on. What is not sure has none. A fixed number of runs, however many addresses.
 */
export async function findPodLinks(
  exec: Exec,
  addresses: Iterable<string>,
  signal: AbortSignal,
): Promise<Map<string, PodLink>> {
  const clues = await readClues(exec, addresses, signal);
  const ports = clues.some(({ neighbours }) => neighbours.length > 0) ? await readPorts(exec, signal) : new Map();
  const candidates = new Map<string, PodLink>();
  for (const clue of clues) {
    const link = clue.device === undefined ? judgeNeighbours(clue.neighbours, ports) : { device: clue.device };
    if (link) candidates.set(clue.address, link);
  }
  return keepPresent(exec, candidates, signal);
}

/** Those whose devices are there, and what they were. */
export async function keepPresent(
  exec: Exec,
  links: ReadonlyMap<string, PodLink>,
  signal: AbortSignal,
): Promise<Map<string, PodLink>> {
  const used = new Set(links.values().map(({ device, port = device }) => port));
  const devices = used.size > 0 ? await describeLinks(exec, used, signal) : new Map();
  return new Map([...links].filter(([, link]) => isAsFound(link, devices)));
}

function isAsFound({ device, port }: PodLink, devices: ReadonlyMap<string, LinkDescription>): boolean {
  const found = devices.get(port ?? device);
  if (!found || !podLinkKinds.has(found.kind)) return false;
  return port === undefined ? !found.master : found.master?.kind === 'bridge' && found.master.name === device;
}

interface Neighbour {
  readonly device: string;
  readonly mac: string;
}

interface Clue {
  readonly address: string;
  /** That its own route leads to. */
  readonly device: string | undefined;
  readonly neighbours: readonly Neighbour[];
}

async function readClues(exec: Exec, addresses: Iterable<string>, signal: AbortSignal): Promise<Clue[]> {
  const clues: Clue[] = [];
  const byFamily = Map.groupBy(addresses, (address) => (address.includes(':') ? '-6' : '-4'));
  for (const [family, group] of byFamily) {
    const always = group.flatMap((address) => [
      `route show table all to exact ${address}`,
      `neighbour show to ${address}`,
    ]);
    const answers = await askIp(exec, { family, always }, signal);
    for (const [index, address] of group.entries()) {
      const [routes = [], neighbours = []] = answers.slice(2 * index, 2 * index + 2);
      clues.push({ address, device: judgeRoutes(routes), neighbours: neighbours.flatMap(readNeighbour) });
    }
  }
  return clues;
}

/** Several routes, or one by way of another host, do not tell. */
function judgeRoutes(routes: readonly IpObject[]): string | undefined {
  const devices = new Set<string>();
  for (const { type, dev, gateway, via } of routes) {
    const isDirect = (type === undefined || type === 'unicast') && gateway === undefined && via === undefined;
    if (!isDirect || typeof dev !== 'string') return undefined;
    devices.add(dev);
  }
  return devices.size === 1 ? [...devices][0] : undefined;
}

/** One without a MAC has not answered. */
function readNeighbour({ dev, lladdr }: IpObject): Neighbour[] {
  return typeof dev === 'string' && typeof lladdr === 'string' ? [{ device: dev, mac: lladdr }] : [];
}

function judgeNeighbours(
  neighbours: readonly Neighbour[],
  ports: ReadonlyMap<string, ReadonlySet<string>>,
): PodLink | undefined {
  const [neighbour, ...others] = neighbours;
  if (!neighbour || others.length > 0) return undefined;
  const [port, ...otherPorts] = ports.get(neighbour.mac) ?? [];
  return port === undefined || otherPorts.length > 0 ? undefined : { device: neighbour.device, port };
}

/** MAC -> the ports of any bridge that it was seen on. What is permanent is the port's own. */
async function readPorts(exec: Exec, signal: AbortSignal): Promise<Map<string, Set<string>>> {
  const [entries = []] = await askIp(exec, { family: '-B', always: ['neighbour show nud all'] }, signal);
  const ports = new Map<string, Set<string>>();
  for (const { dev, lladdr, state } of entries) {
    if (typeof dev !== 'string' || typeof lladdr !== 'string') continue;
    if (Array.isArray(state) && state.includes('PERMANENT')) continue;
    ports.set(lladdr, (ports.get(lladdr) ?? new Set()).add(dev));
  }
  return ports;
}
