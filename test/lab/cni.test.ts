import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { networkConfig } from '../../src/lab/cni-config.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { CniNetwork } from '../../src/lab/cni.ts';
import type { CniAttachment } from '../../src/lab/cni.ts';
import {
  createNamespace,
  deleteNamespace,
  enterNamespace,
  namespacePath,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { pluginDirectory } from '../../src/lab/preflight.ts';

const node = `postern-cni${process.pid}-node`;
const pod = `postern-cni${process.pid}-pod`;

describe('lab: CNI plugins (kernel)', function () {
  this.timeout(180_000);
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-cni-'));
    await createNamespace(node, routerSysctls);
    await createNamespace(pod);
  });
  after(async () => {
    await deleteNamespace(pod);
    await deleteNamespace(node);
    await rm(directory, { recursive: true });
  });

  const network = (cni: LabCni): CniNetwork =>
    new CniNetwork({
      config: networkConfig(cni, {
        podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
        ipamDirectory: join(directory, 'ipam'),
      }),
      pluginDirectory,
      cacheDirectory: join(directory, 'cni'),
      enter: (file, args) => enterNamespace(node, file, args),
    });
  const attachment = (portMappings: readonly object[] = []): CniAttachment => ({
    containerId: 'c0ffee',
    netns: namespacePath(pod),
    ifName: 'eth0',
    args: [
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAMESPACE', 'shop'],
      ['K8S_POD_NAME', 'web'],
    ],
    capabilityArgs: { portMappings },
  });
  const links = async (namespace: string): Promise<string[]> => {
    const text = await runInNamespace(namespace, 'ip', ['-j', 'link']);
    return (JSON.parse(text) as { ifname: string }[]).map(({ ifname }) => ifname).filter((name) => name !== 'lo');
  };
  /** Reservations of host-local: one file an address, beside its lock and its memory of the last one. */
  const reservations = async (): Promise<string[]> => {
    const files = await readdir(join(directory, 'ipam', 'postern-lab')).catch(() => []);
    return files.filter((file) => /^[0-9a-f.:]+$/.test(file)).sort();
  };

  for (const cni of ['bridge', 'ptp'] as const) {
    it(`${cni}: ADD gives an address of each family, CHECK agrees, DEL leaves nothing`, async () => {
      const result = await network(cni).add(attachment());
      const addresses = result.ips!.map(({ address }) => address);
      assert.equal(addresses.length, 2);
      assert.match(addresses[0]!, /^10\.244\.1\./);
      assert.match(addresses[1]!, /^fd00:10:244:1::/);
      assert.deepEqual(await links(pod), ['eth0']);
      await network(cni).check(attachment());

      await network(cni).delete(attachment());
      assert.deepEqual(await links(pod), []);
      assert.deepEqual(
        (await links(node)).filter((name) => name.startsWith('veth')),
        [],
      );
      assert.deepEqual(await reservations(), []);
      assert.deepEqual(await readdir(join(directory, 'cni', 'results')), []);
    });

    it(`${cni}: CHECK sees that an address was taken away`, async () => {
      const result = await network(cni).add(attachment());
      try {
        await runInNamespace(pod, 'ip', ['address', 'del', result.ips![0]!.address, 'dev', 'eth0']);
        await assert.rejects(network(cni).check(attachment()), { code: 'cni', message: /^\w+ CHECK: / });
      } finally {
        await network(cni).delete(attachment());
      }
    });
  }

  it('assigns no more addresses of a range than the given limit', async () => {
    const few = new CniNetwork({
      config: networkConfig('bridge', {
        podCidrs: ['10.244.1.0/24'],
        ipamDirectory: join(directory, 'few'),
        podAddresses: 2,
      }),
      pluginDirectory,
      cacheDirectory: join(directory, 'few-cni'),
      enter: (file, args) => enterNamespace(node, file, args),
    });
    const own = (n: number): CniAttachment => ({ ...attachment(), containerId: `c${n}`, ifName: `eth${n}` });
    const addresses = [];
    for (const n of [0, 1]) addresses.push((await few.add(own(n))).ips![0]!.address);
    assert.deepEqual(addresses, ['10.244.1.2/24', '10.244.1.3/24']);
    await assert.rejects(few.add(own(2)), { code: 'cni', message: /no IP addresses available/ });
    for (const n of [0, 1]) await few.delete(own(n));
  });

  it('keeps results as libcni does', async () => {
    const result = await network('bridge').add(attachment());
    const file = join(directory, 'cni', 'results', 'postern-lab-c0ffee-eth0');
    const { config, ...entry } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(entry, {
      kind: 'cniCacheV1',
      containerId: 'c0ffee',
      ifName: 'eth0',
      networkName: 'postern-lab',
      netns: namespacePath(pod),
      cniArgs: attachment().args,
      capabilityArgs: { portMappings: [] },
      result,
    });
    const rights = await Promise.all([file, dirname(file)].map(async (path) => (await stat(path)).mode & 0o777));
    assert.deepEqual(rights, [0o600, 0o700]);
    const list = JSON.parse(Buffer.from(config as string, 'base64').toString()) as { plugins: { type: string }[] };
    assert.deepEqual(
      list.plugins.map(({ type }) => type),
      ['bridge', 'portmap'],
    );
    await network('bridge').delete(attachment());
  });

  it('keeps no file of a failed ADD', async () => {
    const broken = attachment([{ hostPort: 8080, containerPort: 80, protocol: 'smoke-signal' }]);
    await assert.rejects(network('bridge').add(broken), { code: 'cni' });
    assert.deepEqual(await readdir(join(directory, 'cni', 'results')).catch(() => []), []);
  });

  it('DEL without an ADD, and again, does nothing', async () => {
    await network('bridge').delete(attachment());
    await network('bridge').delete(attachment());
    assert.deepEqual(await links(pod), []);
  });

  it('CHECK without an ADD is an error', async () => {
    await assert.rejects(network('bridge').check(attachment()), {
      code: 'cni',
      message: /there is no result of an ADD/,
    });
  });

  it('runs the chain: portmap gets its mappings and the result of the first plugin', async () => {
    const mapping = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
    await network('ptp').add(attachment([mapping]));
    const rules = await runInNamespace(node, 'iptables-save', ['-t', 'nat']);
    assert.match(rules, /--dport 8080 -j DNAT --to-destination 10\.244\.1\.\d+:80/);
    await network('ptp').delete(attachment([mapping]));
    assert.doesNotMatch(await runInNamespace(node, 'iptables-save', ['-t', 'nat']), /8080/);
  });

  it('removes the work of the first plugin if the second fails', async () => {
    const broken = attachment([{ hostPort: 8080, containerPort: 80, protocol: 'smoke-signal' }]);
    await assert.rejects(network('bridge').add(broken), { code: 'cni', message: /^portmap ADD: / });
    assert.deepEqual(await links(pod), []);
    assert.deepEqual(await reservations(), []);
  });
});
