import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readNetwork } from '../../src/lab/config-list.ts';
import { Lab } from '../../src/lab/lab.ts';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { host, pod } from '../lab/objects.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { nameLab } from '../support/lab-name.ts';
import { needMachine } from './cluster.ts';
import { pods, policy, port } from './policies.ts';

describe('pods that get their addresses by DHCP (kernel)', function () {
  this.timeout(180_000);
  let lab: Lab;
  before(async function () {
    const cni = await readNetwork(exampleNetwork('bridge-dhcp'));
    await needMachine(this, cni);
    const objects = [
      pod('x', 'web', ['TCP/80', 'TCP/81'], { nodeName: 'n1' }),
      pod('x', 'near', ['TCP/80'], { nodeName: 'n1' }),
      pod('x', 'far', ['TCP/80'], { nodeName: 'n2' }),
      host('outside', ['10.9.0.1'], [{ port: 80 }]),
      policy('x', 'web', {
        pods: { pod: 'web' },
        ingress: [{ from: [pods({ pod: 'far' })], ports: [port('TCP/80')] }],
        egress: [],
      }),
    ];
    lab = await Lab.up({ name: nameLab('dhcp'), cni, family: 'ipv4', objects });
    await lab.settle();
  });
  after(() => lab?.down());

  it('are judged as others', async () => {
    const { results } = await lab.probe();
    const wrong = results.filter(({ observed, expected }) => observed !== expected);
    assert.deepEqual(wrong, []);
    assert.equal(results.filter(({ observed }) => observed === 'denied').length, 8);
  });

  it('keep their lease, although their policy allows no egress', async () => {
    const address = stationAddress(lab.station('x/web'), 'ipv4')!;
    // The server of the lab gives leases for seconds. It answers the pod's own address only when a lease goes on.
    const renewal = ['-lni', 'cni0', '-c', '1', `udp src port 67 and dst host ${address}`];
    assert.match(
      await runInNamespace(lab.names.node('n1'), 'timeout', ['90', 'tcpdump', ...renewal]),
      /BOOTP\/DHCP, Reply/,
    );
    assert.match(await lab.exec('x/web', 'ip', '-br', 'address', 'show', 'eth0'), new RegExp(address));
  });
});
