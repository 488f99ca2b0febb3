import { clusterNetworkPolicyKind } from './cluster-network-policy.ts';
import { networkPolicyKind } from './network-policy.ts';
import type { PolicyKind } from './policy-kind.ts';

export const policyKinds: readonly PolicyKind[] = [networkPolicyKind, clusterNetworkPolicyKind];
