import { loadYaml } from '@kubernetes/client-node';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { Cluster } from '../../src/evaluator/cluster.ts';
import type { Decision, Endpoint, Flow } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { familyOf } from '../../src/model/address.ts';

/**
 * x/a on n1 and x/b on n2; y/c on n1; z/d on n2, without labels in a namespace without labels; ghost/e, whose Namespace is not
 * known; x/host, on n1's own network. Every pod declares `web`: 8080 on x/a and y/c, 80 on the others.
 */
const cast = `
- {kind: Namespace, metadata: {name: x, labels: {env: dev, team: x}}}
- {kind: Namespace, metadata: {name: y, labels: {env: prod}}}
- {kind: Namespace, metadata: {name: z}}
- {kind: Node, metadata: {name: n1}, status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: "fd00::1"}]}}
- {kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 10.0.0.2}, {type: ExternalIP, address: "fd00::2"}]}}
- kind: Pod
  metadata: {namespace: x, name: a, labels: {app: a}}
  spec:
    nodeName: n1
    containers: [{ports: [{name: web, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}]
  status: {phase: Running, podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}, {ip: "fd10::1"}]}
- kind: Pod
  metadata: {namespace: x, name: b, labels: {app: b, tier: back}}
  spec: {nodeName: n2, containers: [{ports: [{name: web, containerPort: 80}]}, {ports: [{name: web, containerPort: 80}]}]}
  status: {phase: Running, podIP: 10.1.0.2, podIPs: [{ip: 10.1.0.2}, {ip: "fd10::2"}]}
- kind: Pod
  metadata: {namespace: y, name: c, labels: {app: a}}
  spec: {nodeName: n1, containers: [{ports: [{name: web, containerPort: 8080}]}]}
  status: {phase: Running, podIP: 10.1.1.3, podIPs: [{ip: 10.1.1.3}, {ip: "fd10::1:3"}]}
- kind: Pod
  metadata: {namespace: z, name: d}
  spec: {nodeName: n2, containers: [{ports: [{name: web, containerPort: 80}]}]}
  status: {phase: Running, podIP: 10.1.2.4, podIPs: [{ip: 10.1.2.4}, {ip: "fd10::2:4"}]}
- kind: Pod
  metadata: {namespace: ghost, name: e, labels: {app: a}}
  spec: {nodeName: n2, containers: [{ports: [{name: web, containerPort: 80}]}]}
  status: {phase: Running, podIP: 10.1.3.5, podIPs: [{ip: 10.1.3.5}, {ip: "fd10::3:5"}]}
- kind: Pod
  metadata: {namespace: x, name: host, labels: {app: a}}
  spec: {nodeName: n1, hostNetwork: true, containers: [{ports: [{name: web, containerPort: 80}]}]}
  status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
`;

/**
 * The cast with changes on top: JSON or YAML, of API objects, or of policies in short as `{x: {podSelector: {}}}`
 * (namespace and spec). A pod or namespace of the same name replaces the cast's.
 */
export function world(changes: string): Cluster {
  const objects = loadYaml<JsonObject[]>(cast);
  for (const [index, change] of (loadYaml<JsonObject[] | undefined>(changes) ?? []).entries()) {
    if ('kind' in change) objects.push(change);
    else {
      for (const [namespace, spec] of Object.entries(change)) {
        objects.push({ kind: 'NetworkPolicy', metadata: { namespace, name: `p${index + 1}` }, spec });
      }
    }
  }
  return prepareCluster(objects);
}

/** `x/a > y/c TCP/80`, `n1 > x/a ICMP`, `203.0.113.5 > x/a 47`, `x/a > y/c UDP/53 ipv6`. IPv4 unless an address says otherwise. */
export function decide(cluster: Cluster, text: string): Decision {
  const match = /^(\S+) > (\S+) ([A-Z0-9]+)(?:\/([0-9]+))?(?: (ipv[46]))?$/.exec(text);
  if (!match) throw new Error(`no flow: ${text}`);
  const [, from, to, protocolText, port, family] = match as unknown as [
    string,
    string,
    string,
    string,
    string?,
    string?,
  ];
  const literal = [from, to].find((end) => /[:.]/.test(end));
  const protocol = /^[0-9]/.test(protocolText) ? Number(protocolText) : (protocolText as Flow['protocol']);
  const base: Flow = {
    source: endpoint(from),
    destination: endpoint(to),
    protocol,
    family: (family as Flow['family'] | undefined) ?? (literal ? familyOf(literal) : 'ipv4'),
  };
  return evaluate(cluster, port === undefined ? base : { ...base, destinationPort: Number(port) });
}

function endpoint(text: string): Endpoint {
  if (text.includes('/')) return { pod: text };
  return /[:.]/.test(text) ? { address: text } : { node: text };
}
