import { nftVersions, type NftVersion } from './kernels.ts';

/** A part of the matrix: tests of one subject that depends on the kernel or on nft. */
export interface Part {
  readonly name: string;
  readonly proves: string;
  /** Patterns of test files. */
  readonly files: readonly string[];
  /** Of these, the tests whose titles match; default: all. */
  readonly only?: string;
  /** How much of a long list of cases runs (`POSTERN_SAMPLE`); default: a few. */
  readonly sample?: '1' | 'third';
  /** The versions of nft with which it runs. */
  readonly nft: readonly NftVersion[];
  /** Its time limit in a virtual machine. */
  readonly minutes: number;
}

/** The image has this version. */
const own: readonly NftVersion[] = ['1.1.3'];
const all = Object.keys(nftVersions) as NftVersion[];

export const parts: readonly Part[] = [
  {
    name: 'rules',
    proves: 'nft and the kernel take our rules and list them as they were written; changes by netlink are those of nft',
    files: [
      'test/nftables/render.kernel.test.ts',
      'test/compile/*.kernel.test.ts',
      'test/agent/kernel-tables.kernel.test.ts',
      'test/apply/{nft,nft-session,nft-monitor,element-writer,environment}.kernel.test.ts',
    ],
    nft: all,
    minutes: 30,
  },
  {
    name: 'node',
    proves:
      'what the agent reads of the node: devices, routes, bridges, IPVS; it deletes connections of pods that have gone',
    files: [
      'test/apply/{bridge-netfilter,devices,flush-connections,ipvs,pod-links,pod-routes}.kernel.test.ts',
      'test/sandboxes/*.kernel.test.ts',
    ],
    nft: own,
    minutes: 20,
  },
  {
    name: 'packets',
    proves: 'real packets in a lab, by bridge and by ptp: answers, live connections, the own node',
    files: ['test/kernel/{answers,own-node,live-connections}.test.ts'],
    nft: own,
    minutes: 40,
  },
  {
    name: 'spoofing',
    proves: 'pods send from their own addresses only',
    files: ['test/kernel/spoof.test.ts'],
    nft: own,
    minutes: 40,
  },
  {
    name: 'model',
    proves:
      'the kernel decides as our model of nft does, rule by rule; random rules are read back as they were written',
    files: ['test/nftables/{edit,field,foreign,match,parse,trace}.kernel.test.ts'],
    nft: own,
    minutes: 50,
  },
  {
    name: 'networks',
    proves:
      'policies inside of pods by macvlan (on a VLAN too) and ipvlan (l2, l3): a fixed third of the conformance cases where they are beside the checkout, and attacks',
    files: ['test/kernel/{conformance,pod-network-attacks}.test.ts'],
    only: 'on (macvlan|macvlan-vlan|ipvlan-l2|ipvlan-l3) |attacks inside',
    sample: 'third',
    nft: own,
    minutes: 300,
  },
];
