import type { CacheEntry } from '../../src/sandboxes/cache-entry.ts';

/** What containerd and the ptp plugin leave behind; fields that are given replace those of the same name. */
export interface EntryFields {
  readonly id?: string;
  readonly network?: string;
  readonly pod?: string;
  readonly uid?: string;
  readonly addresses?: readonly string[];
  readonly devices?: readonly string[];
  readonly subnet?: string;
}

const sandbox = '/var/run/netns/cni-1';

export function entryName({ id = 'c1', network = 'net' }: EntryFields = {}): string {
  return `${network}-${id}-eth0`;
}

export function entryObject(fields: EntryFields = {}): Record<string, unknown> {
  const { id = 'c1', network = 'net', pod = 'web', uid = `uid-${pod}`, subnet = '10.1.0.0/24' } = fields;
  const { addresses = ['10.1.0.2'], devices = [`veth-${id}`] } = fields;
  return {
    kind: 'cniCacheV1',
    containerId: id,
    config: base64({ name: network, plugins: [{ type: 'ptp', ipam: { type: 'host-local', ranges: [[{ subnet }]] } }] }),
    ifName: 'eth0',
    networkName: network,
    netns: sandbox,
    cniArgs: [
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAMESPACE', 'shop'],
      ['K8S_POD_NAME', pod],
      ['K8S_POD_INFRA_CONTAINER_ID', id],
      ['K8S_POD_UID', uid],
    ],
    result: {
      cniVersion: '1.0.0',
      interfaces: [
        ...devices.map((name) => ({ name, mac: '8a:00:00:00:00:01' })),
        { name: 'eth0', mac: '8a:00:00:00:00:02', sandbox },
      ],
      ips: addresses.map((address) => ({ interface: devices.length, address: `${address}/24`, gateway: '10.1.0.1' })),
    },
  };
}

export function entryText(fields?: EntryFields): string {
  return JSON.stringify(entryObject(fields));
}

/** As it is read. */
export function cacheEntry(fields: EntryFields = {}): CacheEntry {
  const { id = 'c1', pod = 'web', uid = `uid-${pod}`, addresses = ['10.1.0.2'], devices = [`veth-${id}`] } = fields;
  const { subnet = '10.1.0.0/24' } = fields;
  const mac = '8a:00:00:00:00:02';
  const inside = { device: 'eth0', netns: undefined, mac };
  return { id, namespace: 'shop', name: pod, uid, addresses, hostDevices: devices, ranges: [subnet], ...inside };
}

export function base64(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64');
}
