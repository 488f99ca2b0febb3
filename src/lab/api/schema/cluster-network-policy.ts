import { conditions, labelSelector, topLevel } from './meta.ts';
import { int32, list, object, text, texts } from './schema.ts';

const pods = object('NamespacedPod', { namespaceSelector: labelSelector, podSelector: labelSelector });
const port = object('Port', { number: int32, range: object('PortRange', { start: int32, end: int32 }) });
const protocol = object('ClusterNetworkPolicyProtocol', {
  tcp: object('ClusterNetworkPolicyProtocolTCP', { destinationPort: port }),
  udp: object('ClusterNetworkPolicyProtocolUDP', { destinationPort: port }),
  sctp: object('ClusterNetworkPolicyProtocolSCTP', { destinationPort: port }),
  destinationNamedPort: text,
});
const ruleFields = { name: text, action: text, protocols: list(protocol) };

/** v1alpha2, with the fields of the experimental channel. */
export const clusterNetworkPolicy = topLevel('ClusterNetworkPolicy', {
  spec: object('ClusterNetworkPolicySpec', {
    tier: text,
    priority: int32,
    subject: object('ClusterNetworkPolicySubject', { namespaces: labelSelector, pods }),
    ingress: list(
      object('ClusterNetworkPolicyIngressRule', {
        ...ruleFields,
        from: list(object('ClusterNetworkPolicyIngressPeer', { namespaces: labelSelector, pods })),
      }),
    ),
    egress: list(
      object('ClusterNetworkPolicyEgressRule', {
        ...ruleFields,
        to: list(
          object('ClusterNetworkPolicyEgressPeer', {
            namespaces: labelSelector,
            pods,
            nodes: labelSelector,
            networks: texts,
            domainNames: texts,
          }),
        ),
      }),
    ),
  }),
  status: object('ClusterNetworkPolicyStatus', { conditions }),
});
