import type { NodeState } from '../model/node-state.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import type { ForeignRules } from './foreign/rules.ts';

/** A fact that was looked up, or why it could not be. */
export type Known<Value> = { readonly value: Value } | { readonly unknown: string };

export function valueOf<Value>(fact: Known<Value>): Value | undefined {
  return 'value' in fact ? fact.value : undefined;
}

/** What is known of one node. Everything here was looked up before; the checks only judge. */
export interface NodeFacts {
  /** Of the doctor itself. */
  readonly version: string;
  readonly kernel: string;
  readonly agent: Known<NodeState>;
  readonly nft: NftFacts;
  readonly foreign: ForeignFacts;
  /** Ours, read back; only where a question needs it. */
  readonly own: Known<Ruleset>;
  /** As the kernel says them, by name with dots; what is missing is not there. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Those with something wrong. */
  readonly bridges: Known<readonly BridgeFact[]>;
  /** What `checkIpvs` says. */
  readonly ipvs: Known<string | undefined>;
  /** What kube-proxy says of itself. */
  readonly proxyMode: Known<string>;
  readonly conntrack: Known<{ readonly count: number; readonly max: number }>;
  readonly gonePods: Known<readonly GonePod[]>;
  readonly api: Known<ApiFacts>;
  /** Addresses of this node alone at which somebody answers DNS for its pods. */
  readonly nodeLocalDns: readonly string[];
  /** Addresses of pods on other nodes, a few. */
  readonly remotePods: readonly string[];
  /** Pods with a further network, and the device that it has in them. */
  readonly furtherNetworks: readonly FurtherNetwork[];
  /** What else was not looked at, as sentences. */
  readonly further: readonly string[];
}

/** Why something is not fine, as src/apply judges it; missing if it is. */
export interface NftFacts {
  readonly version?: string;
  readonly program?: string;
  readonly kernel?: string;
  readonly bridgeTables?: string;
}

export interface ForeignFacts {
  /** Tables of others, as far as they could be read. */
  readonly rules: ForeignRules;
  /** What could not be read of them, and how nft ended over it. */
  readonly unreadable: readonly UnreadableTable[];
}

export interface UnreadableTable {
  /** `table ip filter`, or `the list of tables` */
  readonly subject: string;
  readonly how: 'crashed' | 'timeout' | 'failed' | 'too large';
  readonly message: string;
}

/** A bridge with pods on it whose packets pass no rules. */
export interface BridgeFact {
  readonly bridge: string;
  readonly problem: string;
  /** Those on it: addresses. */
  readonly addresses: readonly string[];
}

/** An address of pods that no pod has, and to which open connections to a Service are mapped. */
export interface GonePod {
  readonly address: string;
  /** What the clients called: `10.96.0.10:53`. */
  readonly services: readonly string[];
  readonly connections: number;
}

export interface ApiFacts {
  readonly roundTripMs: number;
  /** By how much this node's clock is ahead of the API server's, in milliseconds; `undefined` where that tells no time. */
  readonly aheadMs: number | undefined;
}

export interface FurtherNetwork {
  readonly pod: string;
  readonly network: string;
  readonly device: string;
}
