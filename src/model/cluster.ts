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
