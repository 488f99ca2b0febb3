import { it } from 'mocha';
import { fieldAt, listAt, type ApiObject } from '../../src/lab/api/object.ts';
import { service } from '../lab/objects.ts';
import { families, onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { block, pods, policy, port } from './policies.ts';

/** The numbers of the Service are those of other ports of the pod. */
const web = service('x', 'web', {
  ipFamilyPolicy: 'PreferDualStack',
  selector: { pod: 'p' },
  ports: [
    { name: 'number', port: 80, targetPort: 8080, protocol: 'TCP' },
    { name: 'named', port: 81, targetPort: 'tcp-8080', protocol: 'TCP' },
    { name: 'other', port: 8080, targetPort: 80, protocol: 'TCP' },
    { name: 'datagrams', port: 80, targetPort: 5000, protocol: 'UDP' },
  ],
});
const peers = ['peers/near', 'peers/far'];
const anyPeer = pods({}, { team: 'peers' });

onEachCni('a Service', (cluster) => {
  /** All of `from` on each port of the Service, in both families. */
  const ask = (from: readonly string[], answers: Readonly<Record<string, string>>) =>
    cluster().expect(
      addressesOf(cluster(), web).flatMap((to) =>
        from.flatMap((from) => Object.entries(answers).map(([port, answer]) => ({ from, to, port, answer }))),
      ),
    );

  it('is judged at its endpoint: by the port and the addresses of the pod (S6.1, S6.T1)', async () => {
    await cluster().apply(
      web,
      policy('x', 'p', { ingress: [{ from: [anyPeer], ports: [port('TCP/8080'), port('UDP/5000')] }] }),
    );
    await ask(peers, { 'TCP/80': 'x/p', 'TCP/81': 'x/p', 'TCP/8080': 'timeout', 'UDP/80': 'x/p' });
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [anyPeer], ports: [port('TCP/80'), port('UDP/80')] }] }),
    );
    await ask(peers, { 'TCP/80': 'timeout', 'TCP/81': 'timeout', 'TCP/8080': 'x/p', 'UDP/80': 'timeout' });
  });

  it('is reached by a named port of the pod behind it (S4.6)', async () => {
    await cluster().apply(web, policy('x', 'p', { ingress: [{ ports: [{ protocol: 'TCP', port: 'nobody' }] }] }));
    await ask(peers, { 'TCP/80': 'timeout', 'TCP/81': 'timeout' });
    await cluster().apply(policy('x', 'p', { ingress: [{ ports: [{ protocol: 'TCP', port: 'tcp-8080' }] }] }));
    await ask(peers, { 'TCP/80': 'x/p', 'TCP/81': 'x/p', 'TCP/8080': 'timeout' });
  });

  it('is judged at its endpoint for the client too, never by its own address (S3.14, S6.2)', async () => {
    await cluster().apply(web);
    const own = addressesOf(cluster(), web).map((address) => block(hostCidr(address)));
    await cluster().apply(policy('peers', 'clients', { egress: [{ to: own }] }));
    await ask(peers, { 'TCP/80': 'timeout', 'UDP/80': 'timeout' });
    const endpoint = { to: [pods({ pod: 'p' })], ports: [port('TCP/8080')] };
    await cluster().apply(policy('peers', 'clients', { egress: [endpoint] }));
    await ask(peers, { 'TCP/80': 'x/p', 'TCP/81': 'x/p', 'TCP/8080': 'timeout', 'UDP/80': 'timeout' });
  });

  it('that leads back to the pod that asks passes, and so does its own address (S5.5, S5.6)', async () => {
    await cluster().apply(web, policy('x', 'deny', { ingress: [], egress: [] }));
    await ask(['x/p'], { 'TCP/80': 'x/p', 'TCP/81': 'x/p', 'UDP/80': 'x/p' });
    await cluster().expect([
      { from: 'x/p', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
      { from: 'x/p', to: 'peers/near', port: 'TCP/80', answer: 'timeout' },
    ]);
    // Another pod gets nowhere by it.
    await ask(peers, { 'TCP/80': 'timeout' });
  });

  it('on a node port shows a client from outside to the node of the endpoint, if that node received it (S6.5, S6.T2, S6.T3)', async () => {
    const open = service('x', 'open', {
      type: 'NodePort',
      ipFamilyPolicy: 'PreferDualStack',
      selector: { pod: 'p' },
      ports: [{ port: 80, protocol: 'TCP' }],
    });
    await cluster().apply(open);
    const number = nodePortOf(cluster(), open);
    const asked = (answers: Readonly<Record<string, string>>) =>
      cluster().expect(
        Object.entries(answers).flatMap(([node, answer]) =>
          families.map((family) => {
            return { from: 'host/outside', to: cluster().address(node, family), port: `TCP/${number}`, answer };
          }),
        ),
      );
    const allowFrom = (station: string) =>
      cluster().apply(
        policy('x', 'p', {
          ingress: [{ from: families.map((family) => block(hostCidr(cluster().address(station, family)))) }],
        }),
      );
    await asked({ 'node/n1': 'x/p', 'node/n2': 'x/p' });
    // x/p is on n1.
    await allowFrom('host/outside');
    await asked({ 'node/n1': 'x/p', 'node/n2': 'timeout' });
    await allowFrom('node/n2');
    await asked({ 'node/n1': 'timeout', 'node/n2': 'x/p' });
  });

  it('is open to the own node (S6.T8)', async () => {
    await cluster().apply(web, policy('x', 'deny', { ingress: [], egress: [] }));
    await ask(['node/n1'], { 'TCP/80': 'x/p', 'UDP/80': 'x/p' });
    await ask(['node/n2'], { 'TCP/80': 'timeout', 'UDP/80': 'timeout' });
  });
});

function hostCidr(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/** Of the first port. */
function nodePortOf({ lab }: Cluster, { metadata: { namespace, name } }: ApiObject): number {
  const [port] = listAt(lab.store.get('services', { namespace, name: name! }), 'spec', 'ports');
  return Number(fieldAt(port, 'nodePort'));
}

/** One a family, as the API server gave them. */
function addressesOf({ lab }: Cluster, { metadata: { namespace, name } }: ApiObject): string[] {
  const { spec } = lab.store.get('services', { namespace, name: name! }) as unknown as {
    spec: { clusterIPs: string[] };
  };
  return families.map((_, index) => spec.clusterIPs[index]!);
}
