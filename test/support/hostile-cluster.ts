import type { NodeFact } from '../../src/model/cluster.ts';
import { sandbox } from './objects.ts';
import type { ApiObject } from './pipeline.ts';

/**
 * Valid but unusual objects: names that are nft keywords or have 253 bytes, labels of 63 bytes or named as properties of every
 * JavaScript object, 300 namespaces, 2,000 overlapping blocks, and missing fields.
 */
export function hostileCluster(): ApiObject[] {
  const label = 'l'.repeat(63);
  const names = ['add', 'table', 'drop', 'x'.repeat(253), 'a.b-c', '0'];
  const overlapping = Array.from({ length: 2000 }, (_, index) => ({
    ipBlock: { cidr: `10.${index % 8}.${index % 251}.${(index * 7) % 256}/${8 + (index % 25)}`, except: [] },
  }));
  const everything = [
    { ipBlock: { cidr: '0.0.0.0/0', except: ['128.0.0.0/1', '10.0.0.0/8', '10.1.0.0/16'] } },
    { ipBlock: { cidr: '::/0', except: ['8000::/1', '::/128', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128'] } },
    { ipBlock: { cidr: '127.255.255.255/32' } },
  ];
  const namespaces = Array.from({ length: 300 }, (_, index) => `namespace-${index}`);
  return [
    ...namespaces.map((name): ApiObject => ({
      kind: 'Namespace',
      metadata: { name, uid: name, labels: { [label]: label } },
    })),
    ...namespaces.map((namespace, index): ApiObject => ({
      kind: 'Pod',
      metadata: {
        namespace,
        name: 'pod',
        uid: namespace,
        labels: { [label]: label, app: 'x', constructor: 'toString' },
      },
      spec: { nodeName: index < 10 ? 'n1' : 'n2' },
      status: {
        phase: 'Running',
        podIPs: [{ ip: `10.9.${index >> 8}.${index & 255}` }, { ip: `fd09::${(index + 1).toString(16)}` }],
      },
    })),
    ...names.map((name, index): ApiObject => ({
      kind: 'NetworkPolicy',
      metadata: { namespace: namespaces[index]!, name, uid: name },
      spec: {
        podSelector: { matchLabels: { [label]: label } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: overlapping,
            ports: [
              { port: 1, endPort: 65535 },
              { port: 53, protocol: 'UDP' },
            ],
          },
          { from: everything },
        ],
        egress: [
          { to: everything, ports: [{ protocol: 'SCTP' }, { port: 80 }] },
          { to: [{ namespaceSelector: { matchLabels: { [label]: label } } }], ports: [{ port: 80, endPort: 90 }] },
        ],
      },
    })),
  ];
}

/** Valid device names of the kernel: nft keywords, digits, special characters, maximum length. nft refuses the last four. */
const deviceNames = ['table', 'drop', '0', '-', 'a.b:c@d_e-f', 'v'.repeat(15), 'a" . drop', '*', 'caf\u00e9', '{1,2}'];

/** The sandboxes of the hostile cluster's pods on n1; every second one is on a bridge. */
export function hostileFacts(): (NodeFact & { readonly op: 'sandbox' })[] {
  return deviceNames.map((name, index) =>
    sandbox(`namespace-${index}/pod`, {
      uid: `namespace-${index}`,
      ips: [`10.9.0.${index}`, `fd09::${(index + 1).toString(16)}`],
      link: index % 2 === 0 ? { device: name } : { device: 'cni0', port: name },
    }),
  );
}
