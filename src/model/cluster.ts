import type { JsonObject } from '../lib/json.ts';
import type { Issue } from './issue.ts';
import type { Policy, Protocol } from './policy.ts';

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export type Labels = Readonly<Record<string, string>>;

/** The fields of a Pod that Postern needs. Addresses are canonical text (model/address.ts), at most one of each family. */
export interface Pod {
  readonly kind: 'Pod';
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly nodeName: string | undefined;
  readonly hostNetwork: boolean;
  /** Phase Succeeded or Failed (S1.4). */
  readonly terminal: boolean;
  /** `deletionTimestamp` is set (S1.5). */
  readonly terminating: boolean;
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
  /** Only in a static pod's mirror object: the uid that the kubelet and the container runtime use for the pod. */
  readonly mirrorOf?: string;
}

export interface Namespace {
  readonly kind: 'Namespace';
  readonly name: string;
  readonly labels: Labels;
}

export interface Node {
  readonly kind: 'Node';
  readonly name: string;
  readonly addresses: readonly string[];
  /** Missing if it has none. */
  readonly labels?: Labels;
  /** `spec.podCIDRs`, canonical. */
  readonly podCidrs?: readonly string[];
}

/** Canonical texts. */
export interface NodeAddresses {
  /** Addresses of this node: only this node may send from them (S1.17). */
  readonly own: ReadonlySet<string>;
  /** Addresses of the other nodes, where they receive tunnel packets (S1.18). */
  readonly others: ReadonlySet<string>;
  /** The pod ranges of all nodes, ascending; none contains another. */
  readonly podCidrs: readonly string[];
}

/** The devices on which packets between a pod and its own node cross the node's netfilter hooks. */
export interface Link {
  /** The device that the IP hooks see: the pod's host-side device, or the bridge that this device is a port of. */
  readonly device: string;
  /** The pod's bridge port; only if `device` is a bridge. */
  readonly port?: string;
  /** MAC of the pod's own interface, in lower case, if the CNI result names it. Frames from the port must have it as source. */
  readonly mac?: string;
}

/** The network namespace that this node's container runtime made for a pod, with its addresses. */
export interface Sandbox {
  /** The container id of the sandbox. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** The kubelet's uid of the pod. A static pod's mirror object has another uid. */
  readonly uid: string;
  /** Canonical, at most one of each family. */
  readonly addresses: readonly string[];
  /** `undefined` if unknown. */
  readonly link: Link | undefined;
  /** Its host-side device exists. A cache file from before a reboot is not live. */
  readonly live: boolean;
  /** Later sandboxes have larger values. */
  readonly order: number;
  /** Only Postern's CNI plugin knows it so far: the container runtime has not recorded it yet. */
  readonly isAnnounced?: true;
  /** What the runtime recorded inside of the sandbox. Missing if it does not name the network namespace. */
  readonly interfaces?: readonly PodInterface[];
}

/** A device in the network namespace of a pod. */
export interface PodInterface {
  readonly device: string;
  /** The path of the network namespace. */
  readonly namespace: string;
  /** Canonical. */
  readonly addresses: readonly string[];
}

/** The one interface whose addresses are the pod's (S1.8). */
export const podInterface = 'eth0';

export const resourceNames = ['pods', 'namespaces', 'nodes', 'networkpolicies', 'clusternetworkpolicies'] as const;
export type ResourceName = (typeof resourceNames)[number];

/** `namespace/name`, or `name` for objects without a namespace. */
export type ObjectKey = string;
export type ModelObject = Pod | Namespace | Node | (Policy & { readonly kind: 'Policy' });

/** Input of the indexer from the API server. A replaced object (same name, new uid) is one upsert. */
export type ResourceEvent =
  | {
      readonly op: 'upsert';
      readonly resource: ResourceName;
      readonly key: ObjectKey;
      readonly uid: string;
      readonly resourceVersion: string;
      /** `metadata.generation`; 0 if the object has none. */
      readonly generation: number;
      readonly value: ModelObject;
      readonly issues: readonly Issue[];
      /** `status.conditions`, unchecked; only of kinds whose status the agent writes. */
      readonly conditions?: readonly JsonObject[];
    }
  | { readonly op: 'remove'; readonly resource: ResourceName; readonly key: ObjectKey }
  /** The first list of this resource is complete. */
  | { readonly op: 'synced'; readonly resource: ResourceName };

/** Input of the indexer from the node itself. */
export type NodeFact =
  /** `value` is `undefined` once the sandbox has ended. */
  | { readonly op: 'sandbox'; readonly id: string; readonly value: Sandbox | undefined }
  /**
   * The agent has seen a sandbox of a known pod. So the runtime keeps the CNI result cache, and a local pod without a sandbox has no
   * address. This fact holds until the agent ends.
   */
  | { readonly op: 'cache-complete' }
  /** Whether the agent can read the CNI result cache now. If not, a local pod without a sandbox has the addresses of its API object. */
  | { readonly op: 'cache-readable'; readonly readable: boolean }
  /**
   * A pod of a sandbox that the agent fetched because the watch has not delivered it yet; `undefined` if the API server has no such pod. The
   * indexer drops it as soon as the watch delivers the pod. Send the fact again with `undefined` when the sandbox has ended.
   */
  | { readonly op: 'fetched'; readonly key: ObjectKey; readonly value: Pod | undefined }
  /** All links that the agent found by routes, for local addresses that no sandbox names. */
  | { readonly op: 'links'; readonly links: ReadonlyMap<string, Link> }
  /** All pod ranges of this node in the CNI network configuration, canonical. */
  | { readonly op: 'ranges'; readonly cidrs: readonly string[] }
  /**
   * All addresses that passed to another pod while connections of the earlier pod may be left. They are denied until the agent has deleted these
   * connections (S5.17).
   */
  | { readonly op: 'unflushed'; readonly addresses: readonly string[] }
  /**
   * Only in the replay of a saved state. `addresses` of this node were in it: they are denied until a sandbox has them (S7.15). `nodes` takes the
   * place of the Node objects.
   */
  | { readonly op: 'saved'; readonly addresses: readonly string[]; readonly nodes: NodeAddresses };
