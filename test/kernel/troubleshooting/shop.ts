import type { ApiObject } from '../../../src/lab/api/object.ts';
import { asAgent } from '../../support/agent-pod.ts';
import { host, pod, service } from '../../lab/objects.ts';

const http = { name: 'http', containerPort: 8080 };

/** The cast of the page: `shop/web` on n1 calls `shop/api` on n2, by its Service too, which has two pods. */
export const shop: readonly ApiObject[] = [
  pod('shop', 'web', [], { nodeName: 'n1' }),
  apiPod('api', http),
  apiPod('api-old', http),
  pod('dns', 'dns', ['UDP/53'], { nodeName: 'n2' }),
  service('shop', 'api', {
    type: 'NodePort',
    selector: { app: 'api' },
    ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: 30080 }],
    ipFamilyPolicy: 'RequireDualStack',
  }),
  host('client', ['10.9.0.1', 'fd00:9::1'], []),
  agentPod('n1'),
  agentPod('n2'),
];

/** A pod behind the Service. */
export function apiPod(name: string, port: object): ApiObject {
  const object = pod('shop', name, [], {
    nodeName: 'n2',
    containers: [{ name: 'main', image: 'main', ports: [port] }],
  });
  object.metadata.labels = { ...object.metadata.labels, app: 'api' };
  return object;
}

/** What stands for the agent of a node at the API server; the lab runs the agent itself. */
function agentPod(nodeName: string): ApiObject {
  const containers = [{ name: 'agent', image: 'postern', args: ['agent'] }];
  return asAgent(pod('postern-system', `postern-${nodeName}`, [], { nodeName, hostNetwork: true, containers }));
}
