import { listAt, numberAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { canonicalAddress, familyOf } from '../model/address.ts';
import { readRanges } from './ranges.ts';

/** What one file of libcni's cache tells of a pod's sandbox. */
export interface CacheEntry {
  /** The container id of the sandbox. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Canonical, one or two, at most one a family. */
  readonly addresses: readonly string[];
  /** The devices on the node's side that the plugins say they made or used, each once. */
  readonly hostDevices: readonly string[];
  /** Of the pod's interface, in lower case, where the result names it. */
  readonly mac: string | undefined;
  /** The ranges that the network's configuration names for pods' addresses: canonical CIDRs, each once. */
  readonly ranges: readonly string[];
}

export type CacheReading =
  | { readonly kind: 'sandbox'; readonly entry: CacheEntry }
  /** Nothing of a pod's own network: nobody needs to hear of it. */
  | { readonly kind: 'foreign' }
  /** Written to the end, and not to be used. */
  | { readonly kind: 'unusable'; readonly message: string }
  /** No JSON object: half-written, perhaps. */
  | { readonly kind: 'unreadable'; readonly message: string };

/** The one interface whose addresses are the pod's (S1.8). */
const podInterface = 'eth0';

/** Of a file by its name alone. libcni names it NETWORK-CONTAINERID-IFNAME (getCacheFilePath in libcni/api.go). */
export function isEntryName(fileName: string): boolean {
  return fileName.endsWith(`-${podInterface}`);
}

/** Reads `cniCacheV1` (cachedInfo in libcni/api.go) with a result of any version of the CNI specification. Never throws. */
export function readCacheEntry(text: string, fileName: string): CacheReading {
  let root: JsonObject;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return { kind: 'unreadable', message: 'is no JSON object' };
    root = parsed as JsonObject;
  } catch {
    return { kind: 'unreadable', message: 'is not JSON' };
  }
  if (textAt(root, 'kind') !== 'cniCacheV1') return unusable('is not of kind cniCacheV1');
  const args = readArgs(root);
  const [namespace, name] = [args.get('K8S_POD_NAMESPACE'), args.get('K8S_POD_NAME')];
  // Containers that are no pods have a network too.
  if (textAt(root, 'ifName') !== podInterface || name === undefined || namespace === undefined) {
    return { kind: 'foreign' };
  }
  const [id, network] = [textAt(root, 'containerId') ?? '', textAt(root, 'networkName') ?? ''];
  // A copy of an entry is none.
  if (fileName !== `${network}-${id}-${podInterface}`) return unusable('is not named after what is in it');
  const uid = args.get('K8S_POD_UID');
  if (uid === undefined) return unusable('has no K8S_POD_UID: this container runtime does not tell which pod it is of');
  if (![id, namespace, name, uid].every(isName)) return unusable('does not name a pod');
  const addresses = readAddresses(objectAt(root, 'result'));
  if (typeof addresses === 'string') return unusable(addresses);
  const hostDevices = readHostDevices(root);
  if (hostDevices.length > maxDevices) return unusable(`names ${hostDevices.length} devices`);
  return {
    kind: 'sandbox',
    entry: {
      id,
      namespace,
      name,
      uid,
      addresses,
      hostDevices,
      mac: readMac(root),
      ranges: readRanges(textAt(root, 'config') ?? ''),
    },
  };
}

const maxDevices = 16;

function unusable(message: string): CacheReading {
  return { kind: 'unusable', message };
}

/** Names of Kubernetes and of the CNI specification (container ids) are of these characters. */
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

/** Or what is wrong with them. */
function readAddresses(result: JsonObject): string[] | string {
  const addresses: string[] = [];
  for (const text of listAddresses(result)) {
    const address = canonicalAddress(text.replace(/\/[0-9]+$/, ''));
    if (address === undefined) return `names ${JSON.stringify(text.slice(0, 64))} as an address`;
    // As of a pod's status, the first of a family counts.
    if (!addresses.some((each) => familyOf(each) === familyOf(address))) addresses.push(address);
  }
  return addresses.length > 0 ? addresses : 'names no address of the pod';
}

function listAddresses(result: JsonObject): string[] {
  const interfaces = listAt(result, 'interfaces');
  const current = listAt(result, 'ips').flatMap((ip) => {
    const index = numberAt(ip, 'interface');
    // As container runtimes read it (createResult in containerd's go-cni): an address without an interface is the pod's.
    const isOfPod = index === undefined || textAt(interfaces[index], 'name') === podInterface;
    return isOfPod ? [textAt(ip, 'address') ?? ''] : [];
  });
  // Before version 0.3.0.
  const old = ['ip4', 'ip6'].flatMap((key) => textAt(result, key, 'ip') ?? []);
  return [...current, ...old];
}

/** An interface without a sandbox is the node's (CNI specification 1.0.0, section 5, "Add Success"). */
function readHostDevices(root: JsonObject): string[] {
  const names = listAt(root, 'result', 'interfaces')
    .filter((each) => (textAt(each, 'sandbox') ?? '') === '')
    .map((each) => textAt(each, 'name') ?? '')
    .filter(isDeviceName);
  return [...new Set(names)];
}

/** An interface with a sandbox is the pod's. Several MACs do not tell. */
function readMac(root: JsonObject): string | undefined {
  const macs = listAt(root, 'result', 'interfaces')
    .filter((each) => (textAt(each, 'sandbox') ?? '') !== '' && textAt(each, 'name') === podInterface)
    .map((each) => (textAt(each, 'mac') ?? '').toLowerCase());
  const [mac, ...others] = new Set(macs);
  return mac !== undefined && others.length === 0 && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined;
}

/** Stricter than the kernel (dev_valid_name in net/core/dev.c), which takes all but `/`, `:` and spaces; `:` is in names of aliases. */
function isDeviceName(name: string): boolean {
  return /^[A-Za-z0-9._:@-]{1,15}$/.test(name) && name !== '.' && name !== '..' && !name.startsWith('-');
}
