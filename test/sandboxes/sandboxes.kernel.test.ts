import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { describeLinks } from '../../src/apply/devices.ts';
import { exec } from '../../src/apply/exec.ts';
import { networkConfig, type LabCni } from '../../src/lab/cni-config.ts';
import { CniNetwork, type CniAttachment } from '../../src/lab/cni.ts';
import {
  createNamespace,
  deleteNamespace,
  enterNamespace,
  namespacePath,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { pluginDirectory } from '../../src/lab/preflight.ts';
import { until } from '../lab/until.ts';
import { skipTest } from '../support/skip.ts';
import { makeFolder, Watched } from './watched.ts';

const node = `postern-sandboxes${process.pid}-node`;
const pod = `postern-sandboxes${process.pid}-pod`;

describe('the sandboxes that real plugins make', function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let watched: Watched;

  beforeEach(async function () {
    if (process.getuid?.() !== 0) skipTest(this, 'network namespaces need root');
    folder = await makeFolder();
    watched = new Watched();
    await createNamespace(node);
    await createNamespace(pod);
  });
  afterEach(async () => {
    await watched?.stop();
    await deleteNamespace(pod);
    await deleteNamespace(node);
    await folder?.[Symbol.asyncDispose]();
  });

  const networkOf = (cni: LabCni): CniNetwork =>
    new CniNetwork({
      config: networkConfig(cni, {
        podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
        ipamDirectory: join(folder.path, 'ipam'),
      }),
      pluginDirectory,
      cacheDirectory: join(folder.path, 'cni'),
      enter: (file, args) => enterNamespace(node, file, args),
    });
  const attachment: CniAttachment = {
    containerId: 'c0ffee',
    netns: namespacePath(pod),
    ifName: 'eth0',
    args: [
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAMESPACE', 'shop'],
      ['K8S_POD_NAME', 'web'],
      ['K8S_POD_UID', 'u1'],
    ],
    capabilityArgs: { portMappings: [] },
  };
  const start = (): void =>
    watched.start(join(folder.path, 'cni', 'results'), {
      describeLinks: (names, signal) =>
        describeLinks((file, args, options) => exec(...enterNamespace(node, file, args), options), names, signal),
    });

  for (const [cni, link] of [
    ['bridge', /^cni0\/veth[0-9a-f]+$/],
    ['ptp', /^veth[0-9a-f]+$/],
  ] as const) {
    it(`${cni}: tells the addresses of both families, the link and the ranges, and the end`, async () => {
      start();
      await networkOf(cni).add(attachment);
      await until(() => watched.lines.some((line) => line.startsWith('ranges')));
      const told = watched.take().find((line) => line.startsWith('c0ffee'))!;
      const [, name, addresses, port] = told.split(' ');
      assert.deepEqual([name, addresses], ['web', '10.244.1.2,fd00:10:244:1::2']);
      assert.match(port!, link);
      const ranges = watched.facts.find(({ op }) => op === 'ranges');
      assert.deepEqual(ranges, { op: 'ranges', cidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] });
      await networkOf(cni).delete(attachment);
      await until(() => watched.lines.includes('c0ffee ended'));
    });

    it(`${cni}: what a reboot leaves behind is dead`, async () => {
      await networkOf(cni).add(attachment);
      await deleteNamespace(pod);
      await createNamespace(pod);
      // The kernel takes its time.
      await until(async () => !(await runInNamespace(node, 'ip', ['link'])).includes('veth'));
      start();
      await until(() => watched.lines.includes('listed 1'));
      assert.equal(watched.lines[0], 'c0ffee web 10.244.1.2,fd00:10:244:1::2 dead');
    });
  }
});
