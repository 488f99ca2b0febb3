import { familyOf, formatAddress, parseCidr } from '../model/address.ts';
import { everything } from './addressing.ts';
import type { CniConfigList } from './cni.ts';

export type LabCni = 'bridge' | 'ptp';
export const labCnis: readonly LabCni[] = ['bridge', 'ptp'];

/** The plugins that a lab runs on each node. */
export const requiredPlugins: readonly string[] = ['bridge', 'ptp', 'host-local', 'portmap'];

export interface NetworkOptions {
  readonly podCidrs: readonly string[];
  /** Where host-local keeps the node's reservations. */
  readonly ipamDirectory: string;
  /** Limit of pod addresses per range, from the first; default: all. */
  readonly podAddresses?: number | undefined;
  /** MTU of pod devices; default: the kernel's. */
  readonly mtu?: number | undefined;
}

export function networkConfig(
  cni: LabCni,
  { podCidrs, ipamDirectory, podAddresses, mtu }: NetworkOptions,
): CniConfigList {
  const ipam = {
    type: 'host-local',
    dataDir: ipamDirectory,
    ranges: podCidrs.map((subnet) => [
      { subnet, ...(podAddresses && { rangeEnd: lastAddress(subnet, podAddresses) }) },
    ]),
    routes: podCidrs.map((cidr) => ({ dst: everything[familyOf(cidr)] })),
  };
  const common = { ipam, ...(mtu !== undefined && { mtu }) };
  const main =
    cni === 'bridge'
      ? { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ...common }
      : { type: 'ptp', ...common };
  return {
    cniVersion: '1.0.0',
    name: 'postern-lab',
    plugins: [main, { type: 'portmap', capabilities: { portMappings: true }, snat: true }],
  };
}

/** The first address of a subnet belongs to the gateway. */
function lastAddress(subnet: string, count: number): string {
  const { family, first } = parseCidr(subnet)!;
  return formatAddress(family, first + 1n + BigInt(count));
}
