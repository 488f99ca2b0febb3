import { it } from 'mocha';
import { service } from '../test/lab/objects.ts';
import { block, pods, policy, port } from '../test/kernel/policies.ts';
import { skipTest } from '../test/support/skip.ts';
import { onCluster } from './cluster/cluster.ts';

const deny = policy('x', 'default-deny', { ingress: [], egress: [] });
const inY = (labels: Readonly<Record<string, string>> = {}) => pods(labels, { ns: 'y' });

onCluster('policies', (cluster) => {
  const hostBlocks = (key: string) =>
    cluster().families.map((family) => `${cluster().address(key, family)}/${family === 'ipv4' ? 32 : 128}`);
  const everyone = (except: readonly string[]) =>
    cluster().families.map((family) => ({
      ipBlock: {
        cidr: family === 'ipv4' ? '0.0.0.0/0' : '::/0',
        except: except.filter((each) => each.includes(':') === (family === 'ipv6')),
      },
    }));

  it('deny a namespace by default, and open one port of one pod behind a Service with another port (S0.4, S7.8)', async () => {
    const web = service('x', 'web', {
      ipFamilyPolicy: 'PreferDualStack',
      selector: { pod: 'a' },
      ports: [
        { name: 'named', port: 8080, targetPort: 'serve-81-tcp', protocol: 'TCP' },
        { name: 'number', port: 9090, targetPort: 80, protocol: 'TCP' },
      ],
    });
    await cluster().apply(web);
    const addresses = await cluster().serviceAddresses('x/web');
    const ask = (from: string, port: string, answer: string) => addresses.map((to) => ({ from, to, port, answer }));
    await cluster().expect([
      ...['x/b', 'y/a', 'y/b', 'z/b'].flatMap((from) => ask(from, 'TCP/8080', 'x/a')),
      ...ask('y/b', 'TCP/9090', 'x/a'),
    ]);
    const allow = policy('x', 'api-allow', {
      pods: { pod: 'a' },
      ingress: [{ from: [inY({ pod: 'b' })], ports: [port('TCP/81')] }],
    });
    await cluster().apply(policy('x', 'default-deny', { ingress: [] }), allow);
    await cluster().expect([
      ...ask('y/b', 'TCP/8080', 'x/a'),
      ...['x/b', 'y/a', 'z/b'].flatMap((from) => ask(from, 'TCP/8080', 'timeout')),
      ...ask('y/b', 'TCP/9090', 'timeout'),
      { from: 'y/b', to: 'x/b', port: 'TCP/81', answer: 'timeout' },
    ]);
  });

  it('look up a named port on each destination (S4.6, S4.8), and open nothing for an undeclared name (S4.12)', async () => {
    const [node] = cluster().target.nodes;
    await cluster().apply(
      cluster().pod('x/one', { node, ports: ['TCP/7001/web', 'TCP/7002'] }),
      cluster().pod('x/two', { node, ports: ['TCP/7001', 'TCP/7002/web'] }),
    );
    const ask = (from: string, one: string, two: string) => [
      { from, to: 'x/one', port: 'TCP/7001', answer: one },
      { from, to: 'x/one', port: 'TCP/7002', answer: 'timeout' },
      { from, to: 'x/two', port: 'TCP/7001', answer: 'timeout' },
      { from, to: 'x/two', port: 'TCP/7002', answer: two },
    ];
    const ingress = (name: string) => policy('x', 'p', { ingress: [{ ports: [port(`TCP/${name}`)] }] });
    const egress = (name: string) => policy('y', 'p', { egress: [{ ports: [port(`TCP/${name}`)] }] });
    await cluster().apply(ingress('web'));
    await cluster().expect([...ask('y/a', 'x/one', 'x/two'), ...ask('y/b', 'x/one', 'x/two')]);
    await cluster().apply(ingress('nobody'));
    await cluster().expect(ask('y/b', 'timeout', 'timeout'));
    await cluster().remove(ingress('web'));
    await cluster().apply(egress('web'));
    await cluster().expect([...ask('y/a', 'x/one', 'x/two'), ...ask('y/b', 'x/one', 'x/two')]);
    await cluster().apply(egress('nobody'));
    await cluster().expect(ask('y/b', 'timeout', 'timeout'));
  });

  it('subtract an except only from its own block (S3.7, S3.8)', async () => {
    const without = everyone(hostBlocks('y/b'));
    const ask = (answer: string) => [
      { from: 'y/a', to: 'x/a', port: 'TCP/80', answer: 'x/a' },
      { from: 'z/b', to: 'x/a', port: 'TCP/80', answer: 'x/a' },
      { from: 'y/b', to: 'x/a', port: 'TCP/80', answer },
      { from: 'y/b', to: 'x/a', port: 'UDP/81', answer },
    ];
    await cluster().apply(policy('x', 'p', { ingress: [{ from: without }] }));
    await cluster().expect(ask('timeout'));
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [...without, ...hostBlocks('y/b').map(block)] }] }));
    await cluster().expect(ask('x/a'));
  });

  it('open every port of a range and no other (S4.4)', async () => {
    const ports = ['TCP', 'UDP', 'SCTP'].flatMap((each) => [7000, 7001, 7002, 7003].map((port) => `${each}/${port}`));
    const [node] = cluster().target.nodes;
    await cluster().apply(
      cluster().pod('x/range', { node, ports }),
      policy('x', 'p', { ingress: [{ ports: ['TCP', 'UDP', 'SCTP'].map((each) => port(`${each}/7001-7002`)) }] }),
    );
    const isInside = (text: string): boolean => /700[12]$/.test(text);
    await cluster().expect(
      ['y/a', 'y/b'].flatMap((from) =>
        ports.map((port) => ({ from, to: 'x/range', port, answer: isInside(port) ? 'x/range' : 'timeout' })),
      ),
    );
  });

  it('isolate each direction separately, and need a rule in each direction (S2.4, S2.6)', async () => {
    await cluster().apply(policy('x', 'both', { ingress: [], egress: [{}] }));
    await cluster().expect([
      { from: 'x/a', to: 'x/b', port: 'TCP/80', answer: 'timeout' },
      { from: 'x/a', to: 'y/b', port: 'TCP/80', answer: 'y/b' },
      { from: 'y/b', to: 'x/a', port: 'TCP/80', answer: 'timeout' },
    ]);
    const ingressOnly = policy('x', 'both', { ingress: [{ from: [inY()] }] });
    // Postern ignores rules of a direction that policyTypes does not list (S2.3).
    Object.assign(ingressOnly['spec'] as object, { egress: [{ to: [inY({ pod: 'a' })] }] });
    await cluster().apply(ingressOnly);
    await cluster().expect([
      { from: 'x/a', to: 'z/b', port: 'TCP/80', answer: 'z/b' },
      { from: 'y/b', to: 'x/a', port: 'TCP/80', answer: 'x/a' },
      { from: 'z/b', to: 'x/a', port: 'TCP/80', answer: 'timeout' },
    ]);
  });

  it('deny all egress except one destination, such as a DNS server behind its Service, and accept the replies', async () => {
    const addresses = await cluster().serviceAddresses('y/a');
    const dns = policy('x', 'dns', { egress: [{ to: [inY({ pod: 'a' })], ports: [port('UDP/81')] }] });
    await cluster().apply(deny, dns);
    await cluster().expect(
      ['x/a', 'x/b'].flatMap((from) => [
        ...addresses.map((to) => ({ from, to, port: 'UDP/81', answer: 'y/a' })),
        { from, to: 'y/a', port: 'UDP/81', answer: 'y/a' },
        { from, to: 'y/a', port: 'TCP/81', answer: 'timeout' },
        { from, to: 'y/b', port: 'UDP/81', answer: 'timeout' },
        { from, to: 'z/a', port: 'UDP/81', answer: 'timeout' },
        { from: 'y/a', to: from, port: 'UDP/81', answer: 'timeout' },
      ]),
    );
  });

  it('take effect when they change and when they are deleted, while their pods stay (S7.9 to S7.11)', async () => {
    const ask = (answer: string, udp = answer) =>
      ['y/a', 'y/b'].flatMap((from) => [
        { from, to: 'x/a', port: 'TCP/80', answer },
        { from, to: 'x/a', port: 'UDP/80', answer: udp },
      ]);
    await cluster().apply(policy('x', 'p', { ingress: [{}] }));
    await cluster().expect(ask('x/a'));
    await cluster().apply(policy('x', 'p', { ingress: [] }));
    await cluster().expect(ask('timeout'));
    await cluster().apply(policy('x', 'p', { ingress: [{ ports: [port('UDP/80')] }] }));
    await cluster().expect(ask('timeout', 'x/a'));
    await cluster().apply(policy('x', 'p', { pods: { pod: 'b' }, ingress: [] }));
    await cluster().expect(ask('x/a'));
    await cluster().apply(policy('x', 'p', { ingress: [] }));
    await cluster().remove(policy('x', 'p', {}));
    await cluster().expect(ask('x/a'));
  });

  it('follow the labels of pods and namespaces, of both ends (S7.4)', async () => {
    const ask = (answer: string) => [{ from: 'y/b', to: 'x/a', port: 'TCP/80', answer }];
    await cluster().apply(
      policy('x', 'p', {
        pods: { role: 'server' },
        ingress: [{ from: [pods({ role: 'client' }, { team: 'clients' })] }],
      }),
    );
    await cluster().expect(ask('x/a'));
    await cluster().label('x/a', { role: 'server' });
    await cluster().expect(ask('timeout'));
    await cluster().label('y/b', { role: 'client' });
    await cluster().expect(ask('timeout'));
    await cluster().label('y', { team: 'clients' });
    await cluster().expect(ask('x/a'));
    await cluster().label('y', {});
    await cluster().expect(ask('timeout'));
    await cluster().label('y', { team: 'clients' });
    await cluster().label('y/b', {});
    await cluster().expect(ask('timeout'));
    await cluster().label('x/a', {});
    await cluster().expect(ask('x/a'));
  });

  it('with ports allow no ICMP, and rules without ports do (S4.14)', async () => {
    const ask = (answer: string) => ['y/a', 'y/b'].map((from) => ({ from, to: 'x/a', port: 'icmp', answer }));
    await cluster().expect(ask('x/a'));
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [inY()], ports: [port('TCP/1-65535')] }] }));
    await cluster().expect(ask('timeout'));
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [inY()] }] }));
    await cluster().expect(ask('x/a'));
  });

  it('for one family deny the other (S8.1, S8.3)', async function () {
    if (cluster().families.length < 2) skipTest(this, 'the pods of this cluster have one family');
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [block('0.0.0.0/0')] }] }));
    await cluster().expect([
      { from: 'y/b', to: 'x/a', port: 'TCP/80', family: 'ipv4', answer: 'x/a' },
      { from: 'y/b', to: 'x/a', port: 'TCP/80', family: 'ipv6', answer: 'timeout' },
    ]);
  });
});
