import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { removeInside } from '../../src/agent/uninstall.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { openKernel, type Kernel } from '../apply/kernel.ts';

const { signal } = new AbortController();

describe('an uninstallation in the network namespaces of pods', function () {
  this.timeout(180_000);
  let [owned, plain]: Kernel[] = [];
  let folder: string;
  before(async function () {
    [owned, plain] = [await openKernel(this), await openKernel(this)];
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  });
  after(async () => {
    await owned?.close();
    await plain?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  it('reports a pod that owns its table and a path that is no namespace, and cleans the others', async () => {
    const [file, args] = enterNamespace(owned!.namespacePath.split('/').at(-1)!, 'nft', ['-i']);
    const owner = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, TERM: 'dumb' } });
    try {
      owner.stdin.write('add table ip postern { flags owner; }\nlist tables\n');
      await once(owner.stdout, 'data');
      await plain!.sh('nft add table ip postern');
      const leftover = join(folder, 'cni-1');
      await writeFile(leftover, '');
      const failed: string[] = [];
      const pods = [
        { pod: 'evil/owner', path: owned!.namespacePath },
        { pod: 'shop/leftover', path: leftover },
        { pod: 'shop/gone', path: join(folder, 'cni-2') },
        { pod: 'shop/web', path: plain!.namespacePath },
      ];
      const removed = await removeInside(
        pods,
        (pod, error) => failed.push(`${pod} ${(error as Error).message}`),
        signal,
      );
      assert.deepEqual(removed, ['pod shop/web: table ip postern: 0 chains, 0 sets, 0 maps']);
      assert.deepEqual(
        failed.map((each) => each.split(' ')[0]),
        ['evil/owner', 'shop/leftover'],
      );
      assert.match(failed[0]!, /Operation not permitted/);
      assert.match(failed[1]!, /is no network namespace/);
    } finally {
      const ended = once(owner, 'exit');
      owner.stdin.end();
      owner.kill();
      await ended;
    }
  });
});
