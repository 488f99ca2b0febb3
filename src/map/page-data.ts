import type { Finding } from '../doctor/finding.ts';
import type { FlowHistory } from '../flows/kept-flow.ts';
import type { JsonObject } from '../lib/json.ts';

/** What the page shows: `postern ui` sends it as JSON, and an export has it inside. */
export interface PageData {
  readonly source: {
    readonly kind: 'cluster' | 'lab' | 'manifests';
    /** The context of the kubeconfig, the name of the lab, or the paths. */
    readonly name: string;
  };
  /** ISO time. */
  readonly readAt: string;
  /** Objects are missing, because the user may not read them or did not ask for them: an address that no object has may still belong to a pod or a node. */
  readonly shows?: 'part';
  /** Pods, Namespaces, Nodes, NetworkPolicies and ClusterNetworkPolicies, with the fields that the page needs (`trim.ts`). */
  readonly objects: readonly JsonObject[];
  /** Empty for manifests. */
  readonly histories: readonly FlowHistory[];
  /** Of `postern doctor`. */
  readonly findings: readonly Finding[];
  /** Sentences about parts that are missing, and why. */
  readonly notes: readonly string[];
}
