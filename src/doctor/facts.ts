import type { NodeState } from '../model/node-state.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { ForeignRules } from './foreign/rules.ts';

/** A fact, or the reason why it is unknown. */
export type Known<Value> = { readonly value: Value } | { readonly unknown: string };

export function valueOf<Value>(fact: Known<Value>): Value | undefined {
  return 'value' in fact ? fact.value : undefined;
}

/** Facts of one node. */
export interface NodeFacts {
  /** Version of this doctor. */
  readonly version: string;
  readonly kernel: string;
  readonly agent: Known<NodeState>;
  readonly nft: NftFacts;
  readonly foreign: ForeignFacts;
  /** Postern's tables as the kernel has them; read only if a check needs them. */
  readonly own: Known<Ruleset>;
  /** Values by name with dots. A sysctl that the kernel does not have is missing. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Bridges with a problem. */
  readonly bridges: Known<readonly BridgeFact[]>;
  /** Result of `checkIpvs`: a problem, or `undefined`. */
  readonly ipvs: Known<string | undefined>;
  /** As kube-proxy reports it at `/proxyMode`. */
  readonly proxyMode: Known<string>;
  readonly conntrack: Known<{ readonly count: number; readonly max: number }>;
  readonly gonePods: Known<readonly GonePod[]>;
  readonly api: Known<ApiFacts>;
  /** Addresses at which a DNS cache of this node answers its pods. */
  readonly nodeLocalDns: readonly string[];
  /** Addresses of some pods on other nodes. */
  readonly remotePods: readonly string[];
  /** Pods with additional networks (Multus), with the device inside the pod. */
  readonly furtherNetworks: readonly FurtherNetwork[];
  /** Other facts that are unknown, as sentences. */
  readonly further: readonly string[];
}

/** Problems that the checks of src/apply report; missing if there is none. */
export interface NftFacts {
  readonly version?: string;
  readonly program?: string;
  readonly kernel?: string;
  readonly bridgeTables?: string;
}

export interface ForeignFacts {
  /** Tables of other programs that nft could list. */
  readonly rules: ForeignRules;
  /** Tables that nft could not list. */
  readonly unreadable: readonly UnreadableTable[];
}

export interface UnreadableTable {
  /** `table ip filter`, or `the list of tables` */
  readonly subject: string;
  readonly how: 'crashed' | 'timeout' | 'failed' | 'too large';
  readonly message: string;
}

/** A bridge between pods whose packets do not pass the IP hooks. */
export interface BridgeFact {
  readonly bridge: string;
  readonly problem: string;
  /** Addresses of the pods on the bridge. */
  readonly addresses: readonly string[];
}

/** A pod address that no pod has any more, and to which conntrack still maps open connections to a Service. */
export interface GonePod {
  readonly address: string;
  /** Service addresses that the clients use: `10.96.0.10:53`. */
  readonly services: readonly string[];
  readonly connections: number;
}

export interface ApiFacts {
  readonly roundTripMs: number;
  /** How far the node's clock is ahead of the API server's; `undefined` if the answer has no Date header. */
  readonly aheadMs: number | undefined;
}

export interface FurtherNetwork {
  readonly pod: string;
  readonly network: string;
  readonly device: string;
}
