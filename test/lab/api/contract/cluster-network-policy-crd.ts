/** The CustomResourceDefinition of upstream (v0.2.0), without the schema of `spec`: its status is what upstream's allows. */
export const clusterNetworkPolicyCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'clusternetworkpolicies.policy.networking.k8s.io',
    // The API server wants it for a group of k8s.io.
    annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/network-policy-api/pull/300' },
  },
  spec: {
    group: 'policy.networking.k8s.io',
    scope: 'Cluster',
    names: {
      kind: 'ClusterNetworkPolicy',
      listKind: 'ClusterNetworkPolicyList',
      plural: 'clusternetworkpolicies',
      singular: 'clusternetworkpolicy',
      shortNames: ['cnp'],
    },
    versions: [
      {
        name: 'v1alpha2',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['metadata', 'spec'],
            properties: {
              spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              status: {
                type: 'object',
                required: ['conditions'],
                properties: {
                  conditions: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['type'],
                    items: {
                      type: 'object',
                      required: ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
                      properties: {
                        lastTransitionTime: { type: 'string', format: 'date-time' },
                        message: { type: 'string', maxLength: 32768 },
                        observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
                        reason: {
                          type: 'string',
                          minLength: 1,
                          maxLength: 1024,
                          pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
                        },
                        status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
                        type: { type: 'string', maxLength: 316 },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};
