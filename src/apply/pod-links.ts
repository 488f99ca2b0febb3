import { podLinkKinds } from '../lib/pod-link-kinds.ts';
import { describeLinks, type LinkDescription } from './devices.ts';
import type { Exec } from './exec.ts';
import { askIp, type IpObject } from './ip.ts';

/** The device, or bridge and port, on which a pod's packets arrive at its node. */
export interface PodLink {
  readonly device: string;
  readonly port?: string;
}

/**
 * Finds the links of addresses from the node's own tables. A host route leads to the pod's own device. On a bridge, the neighbour table has the pod's
 * MAC, and the forwarding table has the port of that MAC. An ambiguous address gets no link. The number of runs of ip does not depend on the
 * number of addresses.
 */
export async function findPodLinks(
  exec: Exec,
  addresses: Iterable<string>,
  signal: AbortSignal,
): Promise<Map<string, PodLink>> {
  const entries = await readEntries(exec, addresses, signal);
  const ports = entries.some(({ neighbours }) => neighbours.length > 0) ? await readPorts(exec, signal) : new Map();
  const candidates = new Map<string, PodLink>();
  for (const { address, device, neighbours } of entries) {
    const link = device === undefined ? judgeNeighbours(neighbours, ports) : { device };
    if (link) candidates.set(address, link);
  }
  return keepPresent(exec, candidates, signal);
}

/** Keeps the links whose devices still exist with the same kind and master. */
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

interface AddressEntries {
  readonly address: string;
  /** The device of the address's host route. */
  readonly device: string | undefined;
  readonly neighbours: readonly Neighbour[];
}

async function readEntries(exec: Exec, addresses: Iterable<string>, signal: AbortSignal): Promise<AddressEntries[]> {
  const entries: AddressEntries[] = [];
  const byFamily = Map.groupBy(addresses, (address) => (address.includes(':') ? '-6' : '-4'));
  for (const [family, group] of byFamily) {
    const always = group.flatMap((address) => [
      `route show table all to exact ${address}`,
      `neighbour show to ${address}`,
    ]);
    const answers = await askIp(exec, { family, always }, signal);
    for (const [index, address] of group.entries()) {
      const [routes = [], neighbours = []] = answers.slice(2 * index, 2 * index + 2);
      entries.push({ address, device: judgeRoutes(routes), neighbours: neighbours.flatMap(readNeighbour) });
    }
  }
  return entries;
}

/** Routes to several devices, or a route through a gateway, do not identify the pod's device. */
function judgeRoutes(routes: readonly IpObject[]): string | undefined {
  const devices = new Set<string>();
  for (const { type, dev, gateway, via } of routes) {
    const isDirect = (type === undefined || type === 'unicast') && gateway === undefined && via === undefined;
    if (!isDirect || typeof dev !== 'string') return undefined;
    devices.add(dev);
  }
  return devices.size === 1 ? [...devices][0] : undefined;
}

/** A neighbour entry without a MAC has not been resolved. */
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

/** MAC → the bridge ports on which bridges learned it. A permanent entry is the port's own MAC. */
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
