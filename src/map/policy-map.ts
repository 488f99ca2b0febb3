import type { Decision } from '../evaluator/decision.ts';
import type { SeenVerdict } from '../flows/kept-flow.ts';
import type { Traffic } from '../flows/traffic.ts';

/** What policies say about connections. `both`: some of the pods are allowed, others are denied. `unknown`: an end has gone, or has no name. */
export type MapVerdict = 'allowed' | 'denied' | 'both' | 'unknown';

/** What a change of policies does to connections. `both`: it cuts some and opens others. */
export type MapChange = 'cut' | 'opened' | 'both';

/** `internet`: public addresses that no `ipBlock` of a policy holds; `private`: such private addresses. */
export type NodeKind = 'workload' | 'gone' | 'node' | 'block' | 'internet' | 'private' | 'namespace' | 'others';

export interface MapNode {
  /** Stable over reads: `workload shop/deployment/web`, `node n1`, `block 10.0.0.0/8`, `internet`. */
  readonly id: string;
  readonly kind: NodeKind;
  /** Of workloads, of pods that have gone, and of a namespace as a whole. */
  readonly namespace?: string;
  /** Without the namespace: `deployment/web`. It comes from users, and is not cleaned. */
  readonly label: string;
  /** Running pods; 0 for other kinds. */
  readonly pods: number;
  readonly badges: readonly Badge[];
}

/** `no-match`: rules of its policies matched nothing in the time seen. */
export type BadgeKind = 'no-ingress-isolation' | 'no-egress-isolation' | 'not-enforced' | 'no-match';

export interface Badge {
  readonly kind: BadgeKind;
  /** A sentence. */
  readonly text: string;
}

/** All connections from one node of the map to another. */
export interface MapEdge {
  /** `FROM → TO` */
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** The most connections first. */
  readonly ports: readonly EdgePort[];
  /** New connections in the time, of all verdicts. 0 for edges that nothing was seen on. */
  readonly connections: number;
  readonly verdict: MapVerdict;
  /** Missing without a change of policies, and if it changes nothing here. */
  readonly change?: MapChange;
}

export interface EdgePort {
  /** `TCP/8080`, `UDP/other`, `ICMP` */
  readonly name: string;
  /** New connections in the time. A verdict that was not seen is missing; 0 if all of its connections began before. */
  readonly seen: Readonly<Partial<Record<SeenVerdict, number>>>;
  /** Minutes since 1970; 0 if nothing was seen. */
  readonly first: number;
  readonly last: number;
  /** By the current policies. */
  readonly verdict: MapVerdict;
  /** By the policies after the change. */
  readonly after?: MapVerdict;
  /** Missing without a change of policies, and if no verdict of a pair of pods changes. Two verdicts `both` may differ in the pairs. */
  readonly change?: MapChange;
  readonly traffic: readonly Traffic[];
}

export interface PolicyMap {
  readonly nodes: readonly MapNode[];
  readonly edges: readonly MapEdge[];
  /** By namespace, how many of its policies select no pod. */
  readonly idlePolicies: ReadonlyMap<string, number>;
  /** Minutes since 1970 that flows cover; equal if there are none. Some agents may have kept flows for a part of the time only. */
  readonly firstMinute: number;
  readonly lastMinute: number;
}

/** The answer of the evaluator for one pair of pods or addresses that an edge stands for. */
export interface ExplainedPair {
  /** `shop/web-1`, `node n1`, `203.0.113.7` */
  readonly from: string;
  readonly to: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly decision: Decision;
  /** By the policies after the change. */
  readonly after?: Decision;
}

/** Denied connections of two workloads on a port, with the reasons by the current policies. */
export interface DenialGroup {
  readonly from: string;
  readonly to: string;
  /** The node ids of the map. */
  readonly fromId: string;
  readonly toId: string;
  readonly port: string;
  readonly connections: number;
  readonly first: number;
  readonly last: number;
  /** Empty if the current policies allow it, or if an end has gone. */
  readonly reasons: readonly string[];
  /** The rule of tier Admin that denies it, if one denies each pair that is denied: no NetworkPolicy can allow it then. `ClusterNetworkPolicy guard, rule no-metadata` */
  readonly finalDeny?: string;
}

/** Parts of policies, and pods, that deserve a look. */
export interface CoverageItem {
  readonly kind: 'not-isolated' | 'no-match' | 'selects-no-pod' | 'invalid' | 'audit' | 'doctor';
  /** Of the policy that it is about. */
  readonly namespace?: string;
  /** `NetworkPolicy shop/web`, `shop/deployment/web`, `node n1` */
  readonly subject: string;
  /** Sentences: what it is, and what to do about it. */
  readonly text: string;
  /** Nodes of the map to show. */
  readonly nodeIds: readonly string[];
}

/** Connections by minute, for the time line. */
export interface TimelineMinute {
  readonly minute: number;
  readonly allowed: number;
  readonly unanswered: number;
  readonly denied: number;
}
