import { listAt, numberAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { canonicalAddress, familyOf } from '../model/address.ts';
import { podInterface } from '../model/cluster.ts';
import { readRanges } from './ranges.ts';

/** The record of one sandbox in libcni's cache. */
export interface CacheEntry {
  /** The container id of the sandbox. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The interface in the pod: `eth0`, or that of an additional network. */
  readonly device: string;
  /** The path of the pod's network namespace, if the result names one that the agent may enter. Read only with additional networks. */
  readonly netns: string | undefined;
  /** Canonical; one or two, at most one of each family. An additional network may have none. */
  readonly addresses: readonly string[];
  /** Devices in the node's network namespace that the plugins created or used, each once. */
  readonly hostDevices: readonly string[];
  /** MAC of the pod's interface, in lower case, if the result has it. */
  readonly mac: string | undefined;
  /** Pod ranges of the network configuration: canonical CIDRs, each once. */
  readonly ranges: readonly string[];
}

export type CacheReading =
  | { readonly kind: 'sandbox'; readonly entry: CacheEntry }
  /** A valid entry that is not about an interface of a pod that the agent wants. It is no problem. */
  | { readonly kind: 'foreign' }
  /** Complete JSON that the agent cannot use. */
  | { readonly kind: 'unusable'; readonly message: string }
  /** Not a JSON object; the runtime may still be writing it. */
  | { readonly kind: 'unreadable'; readonly message: string };

/** Which interfaces of a pod count: only `eth0`, or also those of additional networks (Multus). */
export type WantedInterfaces = 'eth0' | 'all';

/** Whether the addresses of this interface are the pod's (S1.8). */
export function isPodInterface(device: string): boolean {
  return device === podInterface;
}

/** Checks the file name only. libcni names a file NETWORK-CONTAINERID-IFNAME (getCacheFilePath in libcni/api.go). Runtimes also record `lo`. */
export function isEntryName(fileName: string, wanted: WantedInterfaces = 'eth0'): boolean {
  return wanted === 'eth0' ? fileName.endsWith(`-${podInterface}`) : /-(?!lo$)[A-Za-z0-9._]{1,15}$/.test(fileName);
}

/** Parses a `cniCacheV1` object (cachedInfo in libcni/api.go) with a result of any version of the CNI specification. Never throws. */
export function readCacheEntry(text: string, fileName: string, wanted: WantedInterfaces = 'eth0'): CacheReading {
  let root: JsonObject;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return { kind: 'unreadable', message: 'is not a JSON object' };
    root = parsed as JsonObject;
  } catch {
    return { kind: 'unreadable', message: 'is not JSON' };
  }
  if (textAt(root, 'kind') !== 'cniCacheV1') return unusable('is not of kind cniCacheV1');
  const args = readArgs(root);
  const [namespace, name] = [args.get('K8S_POD_NAMESPACE'), args.get('K8S_POD_NAME')];
  const device = textAt(root, 'ifName') ?? '';
  const isWanted = device === podInterface || (wanted === 'all' && device !== 'lo' && isDeviceName(device));
  // Containers outside of Kubernetes can have a network too.
  if (!isWanted || name === undefined || namespace === undefined) return { kind: 'foreign' };
  const [id, network] = [textAt(root, 'containerId') ?? '', textAt(root, 'networkName') ?? ''];
  // A copy of an entry does not count.
  if (fileName !== `${network}-${id}-${device}`) return unusable('has a name that does not match its content');
  const uid = args.get('K8S_POD_UID');
  if (uid === undefined) return unusable('has no K8S_POD_UID: this container runtime does not record the pod');
  if (![id, namespace, name, uid].every(isName)) return unusable('has an invalid pod name, uid or container id');
  const addresses = readAddresses(objectAt(root, 'result'), device);
  if (typeof addresses === 'string') return unusable(addresses);
  const hostDevices = readHostDevices(root);
  if (hostDevices.length > maxDevices) return unusable(`names ${hostDevices.length} devices, more than ${maxDevices}`);
  return {
    kind: 'sandbox',
    entry: {
      id,
      namespace,
      name,
      uid,
      device,
      netns: wanted === 'all' ? readNamespace(root, device) : undefined,
      addresses,
      hostDevices,
      mac: readMac(root, device),
      ranges: readRanges(textAt(root, 'config') ?? ''),
    },
  };
}

/** A pod has one device, and a few with Multus. The kernel is asked about each. */
const maxDevices = 16;

function unusable(message: string): CacheReading {
  return { kind: 'unusable', message };
}

/** The characters of Kubernetes names and of container ids in the CNI specification. */
function isName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text);
}

function readArgs(root: JsonObject): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of listAt(root, 'cniArgs')) {
    if (!Array.isArray(pair)) continue;
    const [key, value] = pair as unknown[];
    if (typeof key === 'string' && typeof value === 'string' && value !== '') args.set(key, value);
  }
  return args;
}

/** Returns the addresses, or a text about what is wrong with them. */
function readAddresses(result: JsonObject, device: string): string[] | string {
  const addresses: string[] = [];
  for (const text of listAddresses(result, device)) {
    const address = canonicalAddress(text.replace(/\/[0-9]+$/, ''));
    if (address === undefined) return `has the invalid address ${JSON.stringify(text.slice(0, 64))}`;
    // The first address of a family counts, as in a pod's status.
    if (!addresses.some((each) => familyOf(each) === familyOf(address))) addresses.push(address);
  }
  return addresses.length > 0 || device !== podInterface ? addresses : 'has no address of the pod';
}

function listAddresses(result: JsonObject, device: string): string[] {
  const interfaces = listAt(result, 'interfaces');
  const current = listAt(result, 'ips').flatMap((ip) => {
    const index = numberAt(ip, 'interface');
    // Container runtimes assign an address without an interface to the pod (createResult in containerd's go-cni).
    const isOfPod = index === undefined || textAt(interfaces[index], 'name') === device;
    return isOfPod ? [textAt(ip, 'address') ?? ''] : [];
  });
  // Results before CNI version 0.3.0.
  const old = ['ip4', 'ip6'].flatMap((key) => textAt(result, key, 'ip') ?? []);
  return [...current, ...old];
}

/** An interface without a sandbox is in the node's network namespace (CNI specification 1.0.0, section 5, "Add Success"). */
function readHostDevices(root: JsonObject): string[] {
  const names = listAt(root, 'result', 'interfaces')
    .filter((each) => (textAt(each, 'sandbox') ?? '') === '')
    .map((each) => textAt(each, 'name') ?? '')
    .filter(isDeviceName);
  return [...new Set(names)];
}

/** An interface with a sandbox belongs to the pod. With several MACs, the MAC is ambiguous. */
function readMac(root: JsonObject, device: string): string | undefined {
  const macs = ofPod(root, device).map((each) => (textAt(each, 'mac') ?? '').toLowerCase());
  const [mac, ...others] = new Set(macs);
  return mac !== undefined && others.length === 0 && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined;
}

function ofPod(root: JsonObject, device: string): readonly unknown[] {
  return listAt(root, 'result', 'interfaces').filter(
    (each) => (textAt(each, 'sandbox') ?? '') !== '' && textAt(each, 'name') === device,
  );
}

/**
 * Container runtimes name namespaces by files in one directory, which the agent can mount. It enters no other path, for example none of a process. On most
 * systems `/var/run` leads to `/run`.
 */
function readNamespace(root: JsonObject, device: string): string | undefined {
  const [path, ...others] = new Set(ofPod(root, device).map((each) => textAt(each, 'sandbox')));
  const name = /^(?:\/var)?\/run\/netns\/([A-Za-z0-9_-][A-Za-z0-9._-]{0,254})$/.exec(path ?? '')?.[1];
  return name === undefined || others.length > 0 ? undefined : `/run/netns/${name}`;
}

/** Stricter than the kernel (dev_valid_name in net/core/dev.c), which allows all but `/`, `:` and spaces. Alias names contain `:`. */
function isDeviceName(name: string): boolean {
  return /^[A-Za-z0-9._:@-]{1,15}$/.test(name) && name !== '.' && name !== '..' && !name.startsWith('-');
}
