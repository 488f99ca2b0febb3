import type { Issue } from './issue.ts';
import type { Policy, Protocol } from './policy.ts';

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export type Labels = Readonly<Record<string, string>>;

/** What we keep of a Pod. Addresses are canonical text (model/address.ts), at most one a family. */
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
  /** Of a static pod's mirror object: the uid that the kubelet and the sandbox know the pod by. */
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
  /** The ranges that its pods get their addresses from (`spec.podCIDRs`), canonical. */
  readonly podCidrs?: readonly string[];
}

/** How packets between a pod and its own node cross the node's hooks. */
export interface Link {
  /** What the IP hooks see them on: the pod's own host-side device, or the bridge that this is a port of. */
  readonly device: string;
  /** The pod's port, where the device is a bridge. */
  readonly port?: string;
  /** Of the pod's own interface, in lower case, where the runtime's record names it: frames of the port come from it alone. */
  readonly mac?: string;
}

/** What this node's container runtime has made for a pod: a network namespace with addresses. */
export interface Sandbox {
  /** The container id of the sandbox. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** As the kubelet knows the pod by: of a static pod not the uid of its object. */
  readonly uid: string;
  /** Canonical, at most one a family. */
  readonly addresses: readonly string[];
  /** `undefined` where it cannot be told. */
  readonly link: Link | undefined;
  /** Its host-side device is there. What a reboot has left behind in the cache is not live. */
  readonly live: boolean;
  /** A sandbox that was made later has a larger one. */
  readonly order: number;
}

export type ResourceName = 'pods' | 'namespaces' | 'nodes' | 'networkpolicies';
export const resourceNames: readonly ResourceName[] = ['pods', 'namespaces', 'nodes', 'networkpolicies'];

/** `namespace/name`, or `name` for objects without a namespace. */
export type ObjectKey = string;
export type ModelObject = Pod | Namespace | Node | (Policy & { readonly kind: 'Policy' });

/** What the watch room tells the indexer. A replaced object (same name, new uid) is one upsert. */
export type ResourceEvent =
  | {
      readonly op: 'upsert';
      readonly resource: ResourceName;
      readonly key: ObjectKey;
      readonly uid: string;
      readonly resourceVersion: string;
      /** `metadata.generation`; 0 for objects that the API server gives none. */
      readonly generation: number;
      readonly value: ModelObject;
      readonly issues: readonly Issue[];
    }
  | { readonly op: 'remove'; readonly resource: ResourceName; readonly key: ObjectKey }
  /** The first list of this resource is complete. */
  | { readonly op: 'synced'; readonly resource: ResourceName };

/** What the node itself knows, beside what the API server says. */
export type NodeFact =
  /** `value` is missing for one that has ended. */
  | { readonly op: 'sandbox'; readonly id: string; readonly value: Sandbox | undefined }
  /** A sandbox of a known pod has been seen: the runtime keeps a record, so a pod of this node that has none has no address, for good. */
  | { readonly op: 'kept' }
  /** Whether that record can be read now; where not, such a pod has what the API server says. */
  | { readonly op: 'record'; readonly readable: boolean }
  /**
   * A pod of a sandbox, asked for because the watch has not brought it yet; `undefined`: there is no such pod (any more). It is forgotten
   * for good as soon as the watch brings it. To be told again, with `undefined`, when its sandbox has ended.
   */
  | { readonly op: 'fetched'; readonly key: ObjectKey; readonly value: Pod | undefined }
  /** The links of local addresses that no sandbox tells of, found by routes; all of them. */
  | { readonly op: 'links'; readonly links: ReadonlyMap<string, Link> }
  /** The ranges of this node's pods that the runtime's network configuration names, canonical; all of them. */
  | { readonly op: 'ranges'; readonly cidrs: readonly string[] };
