import { fieldsOf, int32, intOrText, list, object, text, texts } from './schema.ts';
import { labelSelector, topLevel } from './meta.ts';

const port = object('NetworkPolicyPort', { protocol: text, port: intOrText, endPort: int32 });
const peer = object('NetworkPolicyPeer', {
  ...fieldsOf(labelSelector, 'podSelector namespaceSelector'),
  ipBlock: object('IPBlock', { cidr: text, except: texts }),
});

export const networkPolicy = topLevel('NetworkPolicy', {
  spec: object('NetworkPolicySpec', {
    podSelector: labelSelector,
    policyTypes: texts,
    ingress: list(object('NetworkPolicyIngressRule', { from: list(peer), ports: list(port) })),
    egress: list(object('NetworkPolicyEgressRule', { to: list(peer), ports: list(port) })),
  }),
});
