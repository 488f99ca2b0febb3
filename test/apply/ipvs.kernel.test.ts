import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { readDevices } from '../../src/apply/devices.ts';
import type { Problem } from '../../src/apply/environment.ts';
import { checkIpvs, ipvsDevices } from '../../src/apply/ipvs.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();

const headings = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
`;
/** As `net/netfilter/ipvs/ip_vs_ctl.c` prints it. */
const services = `${headings}TCP  0A600001:01BB rr
  -> C0A80102:192B      Masq    1      0          0
`;

describe('the check of IPVS', function () {
  this.timeout(180_000);
  let kernel: Kernel;

  beforeEach(async function () {
    kernel = await openKernel(this);
  });
  afterEach(() => kernel?.close());

  /** Its real device is a dummy, which not all kernels can make: only its name counts. */
  const add = (name: string): Promise<string> => kernel.sh(`ip link add ${name} type ifb`);

  const check = async (table?: string): Promise<Problem> => {
    const readFile = (path: string): Promise<string> => {
      assert.equal(path, '/proc/net/ip_vs');
      return table === undefined ? Promise.reject(new Error('no such file')) : Promise.resolve(table);
    };
    return checkIpvs(await readDevices(kernel.exec, ipvsDevices, signal), { exec: kernel.exec, readFile }, signal);
  };

  it('names mode, device and remedy while the addresses of Services are on it, and is content when it is gone', async () => {
    await add('kube-ipvs0');
    await kernel.sh('ip address add 10.96.0.1/32 dev kube-ipvs0');
    assert.equal(
      await check(),
      "kube-proxy's IPVS mode (device kube-ipvs0) forwards requests to Services around all policies: set its mode to nftables or iptables, " +
        'then run kube-proxy --cleanup or restart the node: the old mode leaves its rules behind',
    );
    await kernel.sh('ip link del kube-ipvs0');
    assert.equal(await check(), undefined);
  });

  it('counts IPv6 addresses, but not the one that a device gives itself', async () => {
    await add('kube-ipvs0');
    await kernel.sh('ip link set kube-ipvs0 up; ip address add fe80::5/64 dev kube-ipvs0 nodad');
    assert.equal(await check(), undefined);
    await kernel.sh('ip address add fd00:96::1/128 dev kube-ipvs0 nodad');
    assert.match((await check())!, /^kube-proxy's IPVS mode/);
  });

  it('finds virtual services that a device without addresses has left', async () => {
    await add('kube-ipvs0');
    assert.equal(await check(), undefined);
    assert.equal(await check(headings), undefined);
    assert.match((await check(services))!, /^kube-proxy's IPVS mode/);
  });

  it('has nothing against what others balance by IPVS', async () => {
    assert.equal(await check(services), undefined);
  });

  it("knows kube-router's device", async () => {
    await add('kube-dummy-if');
    await kernel.sh('ip address add 10.96.0.1/32 dev kube-dummy-if');
    assert.match((await check())!, /^kube-router's service proxy \(device kube-dummy-if\)/);
  });
});
