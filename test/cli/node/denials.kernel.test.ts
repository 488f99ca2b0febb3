import { deepEqual } from 'node:assert/strict';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, it } from 'mocha';
import { renderRuleset } from '../../../src/nftables/render.ts';
import { guardedNode } from '../../compile/guarded-node.ts';

const main = join(import.meta.dirname, '../../../src/main.ts');
const rules = renderRuleset(guardedNode((name) => ({ device: `veth-${name}` })));

/** Runs the command in its own network namespace, whose kernel has the rules. */
async function ask(script: string, ...args: readonly string[]) {
  const load = `nft -f - <<'END'\n${script}\nEND\nexec "$@"`;
  const command = [process.execPath, main, 'node', 'denials', '--node-name', 'n1', ...args];
  const { stdout, exitCode } = await execa('unshare', ['-n', 'sh', '-ec', load, 'sh', ...command], { reject: false });
  return [stdout, exitCode];
}

describe('postern node denials (kernel)', function () {
  this.timeout(180_000);

  it('reports that there are no denials, and that there are no rules', async () => {
    deepEqual(await ask(rules), ['no connection was denied in the last minute', 0]);
    // Without isolated pods there are no records.
    deepEqual(await ask('table ip postern {}\ntable ip6 postern {}'), [
      'no connection was denied in the last minute',
      0,
    ]);
    const without = {
      ip: 'the kernel has no table ip postern: this node enforces no policy for IPv4',
      ip6: 'the kernel has no table ip6 postern: this node enforces no policy for IPv6',
    };
    deepEqual(await ask(''), [`${without.ip}\n${without.ip6}`, 0]);
    deepEqual(await ask('table ip postern {}'), [without.ip6, 0]);
    deepEqual(await ask('table ip6 postern {}'), [without.ip, 0]);
    deepEqual(await ask('', '-o', 'json'), ['{"node":"n1","denials":[]}', 0]);
  });
});
