import { deepEqual, doesNotMatch, equal, match } from 'node:assert/strict';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, it } from 'mocha';
import { renderRuleset } from '../../../src/nftables/render.ts';
import { guardedNode } from '../../compile/guarded-node.ts';

const main = join(import.meta.dirname, '../../../src/main.ts');
const rules = renderRuleset(guardedNode((name) => ({ device: `veth-${name}` })));

/** Runs the command in its own network namespace, whose kernel has the rules and `more`. */
async function ask(args: readonly string[], { script = rules, more = '' } = {}) {
  const load = `nft -f - <<'END'\n${script}${more}\nEND\nexec "$@"`;
  const options = { reject: false, env: { POSTERN_NODE_NAME: 'n1' } } as const;
  const command = [process.execPath, main, 'node', 'trace', ...args];
  const { stdout, stderr, exitCode } = await execa('unshare', ['-n', 'sh', '-ec', load, 'sh', ...command], options);
  return { stdout, stderr, exitCode };
}

describe('postern node trace (kernel)', function () {
  this.timeout(180_000);

  it('reads the rules from the kernel and follows the packet, by the devices in the sets', async () => {
    const passes = await ask(['10.1.0.2', '10.1.0.4', 'UDP/5353']);
    deepEqual([passes.exitCode, passes.stderr], [0, '']);
    match(
      passes.stdout,
      /^node n1: accept\n[^]*ingress-[a-z2-7]{26}: ip saddr \. meta l4proto \. th dport @tuples4-[a-z2-7]{26} return$/,
    );
    const drops = await ask(['fd01::2', 'fd01::3', 'icmp', '-o', 'json']);
    equal(drops.exitCode, 1);
    const { node, hasTable, verdict, path, denials, foreign } = JSON.parse(drops.stdout) as Record<string, unknown> & {
      path: unknown[];
    };
    deepEqual([node, hasTable, verdict, denials, foreign], ['n1', true, 'drop', [], []]);
    deepEqual(path.at(-1), { chain: 'deny-ingress', rule: 'counter drop' });
  });

  it('traces packets to sockets of the node, and from an unknown address', async () => {
    equal((await ask(['10.1.0.2', '192.0.2.1', 'TCP/443', '--hook', 'input'])).exitCode, 0);
    equal((await ask(['10.1.0.3', '192.0.2.1', 'TCP/443', '--hook', 'input'])).exitCode, 1);
    match((await ask(['10.1.0.77', '203.0.113.5', 'TCP/443'])).stdout, /^node n1: drop\n[^]*gate: counter drop$/);
  });

  it('reports that the node enforces nothing, and names rules that it could not read', async () => {
    for (const [ends, table, of] of [
      [['10.1.0.2', '10.1.0.3'], 'ip', 'IPv4'],
      [['fd01::2', 'fd01::3'], 'ip6', 'IPv6'],
    ] as const) {
      const bare = await ask([...ends, 'TCP/80'], { script: '' });
      equal(bare.exitCode, 0);
      match(
        bare.stdout,
        new RegExp(`the kernel has no table ${table} postern: this node enforces no policy for ${of}`),
      );
      const more = `add rule ${table} postern forward meta mark 7 accept`;
      match((await ask([...ends, 'TCP/80'], { more })).stdout, /skipped, because another program wrote it: forward/);
    }
  });

  it('reads only the table of the family', async () => {
    const script = rules.slice(0, rules.indexOf('table ip6 '));
    equal((await ask(['10.1.0.3', '203.0.113.5', 'TCP/443'], { script })).exitCode, 1);
    match((await ask(['fd01::3', 'fd01::2', 'TCP/443'], { script })).stdout, /the kernel has no table ip6 postern/);
    const more = 'add rule ip6 postern forward meta mark 7 accept';
    doesNotMatch((await ask(['10.1.0.2', '10.1.0.3', 'TCP/80'], { more })).stdout, /another program/);
  });

  it('names invalid arguments', async () => {
    const wrong = async (...args: string[]): Promise<string> => {
      const { stderr, exitCode } = await ask(args, { script: '' });
      equal(exitCode, 2);
      return stderr;
    };
    match(await wrong('10.1.0.x', '10.1.0.3', '80'), /source: "10\.1\.0\.x" is not an address/);
    match(await wrong('10.1.0.2', 'fd01::3', 'TCP/80'), /destination: fd01::3 is not of the family of 10\.1\.0\.2/);
    match(await wrong('10.1.0.2', '10.1.0.3', 'TCP/0'), /port "TCP\/0": write TCP\/80/);
  });
});
