import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { LinkWatch } from '../../src/agent/link-watch.ts';
import type { Exec } from '../../src/apply/exec.ts';
import type { Link } from '../../src/model/cluster.ts';
import type { LocalPod } from '../../src/model/snapshot.ts';

const { signal } = new AbortController();

function localPod(key: string, addresses: readonly string[], links: Readonly<Record<string, Link>> = {}): LocalPod {
  return { key, addresses, links: new Map(Object.entries(links)), ports: [], policies: [] };
}

const veth = (name: string): string => JSON.stringify([{ ifname: name, linkinfo: { info_kind: 'veth' } }]);
const route = (address: string, dev: string): string => JSON.stringify([{ type: 'unicast', dst: address, dev }]);

describe('LinkWatch', () => {
  /** As of `ip -json`, a command -> its answer. */
  let answers: Record<string, string>;
  let told: Record<string, Link>[];
  let now: number;
  let watch: LinkWatch;
  let runs: number;

  beforeEach(() => {
    answers = { 'link show dev lo': '[{"ifname":"lo"}]' };
    [told, now, runs] = [[], 0, 0];
    const exec: Exec = async (_file, _args, { input = '' }) => {
      runs++;
      const lines = input.split('\n').filter((line) => line !== '');
      const stdout = lines.flatMap((line) => answers[line] ?? (line.includes(' to ') ? '[]' : [])).join('\n');
      return { exitCode: 0, stdout, stderr: '' };
    };
    watch = new LinkWatch({ exec, now: () => now, tell: (links) => told.push(Object.fromEntries(links)) });
  });

  const isAt = (address: string, device: string): void => {
    answers[`route show table all to exact ${address}`] = route(address, device);
    answers[`link show dev ${device}`] = veth(device);
  };
  const look = async (...pods: LocalPod[]): Promise<string[]> => {
    return [...(await watch.look(pods, signal))].flatMap(([key, issues]) =>
      issues.map(
        ({ code, effect, message }) => `${key} ${code} ${effect} ${/ device of (.*), so /.exec(message)?.[1]}`,
      ),
    );
  };

  it('tells of links once, also when the pods have them by now', async () => {
    isAt('10.1.0.1', 'v1');
    await look(localPod('x/a/1', ['10.1.0.1', 'fd00::1']));
    await look(localPod('x/a/1', ['10.1.0.1', 'fd00::1'], { '10.1.0.1': { device: 'v1' } }));
    assert.deepEqual(told, [{ '10.1.0.1': { device: 'v1' } }]);
  });

  it('believes no port that seems to be of two pods, of which one may answer ARP for the other', async () => {
    isAt('10.1.0.1', 'v1');
    isAt('fd00::1', 'v1');
    isAt('10.1.0.2', 'v1');
    isAt('10.1.0.3', 'v3');
    await look(
      localPod('x/a/1', ['10.1.0.1', 'fd00::1']),
      localPod('x/b/1', ['10.1.0.2']),
      localPod('x/c/1', ['10.1.0.3']),
    );
    assert.deepEqual(told, [{ '10.1.0.3': { device: 'v3' } }]);
    await look(localPod('x/a/1', ['10.1.0.1', 'fd00::1']), localPod('x/c/1', ['10.1.0.3']));
    assert.deepEqual(Object.keys(told.at(-1)!).sort(), ['10.1.0.1', '10.1.0.3', 'fd00::1']);
  });

  /** The node asked by ARP for the address, and the bridge learned the MAC of the answer on this port. */
  const isHeardAt = (heard: Readonly<Record<string, string>>): void => {
    for (const [address, port] of Object.entries(heard)) {
      answers[`neighbour show to ${address}`] = JSON.stringify([{ dev: 'cni0', lladdr: `mac of ${port}` }]);
      const description = { ifname: port, master: 'cni0', linkinfo: { info_kind: 'veth', info_slave_kind: 'bridge' } };
      answers[`link show dev ${port}`] = JSON.stringify([description]);
    }
    const ports = [...new Set(Object.values(heard))];
    answers['neighbour show nud all'] = JSON.stringify(ports.map((dev) => ({ dev, lladdr: `mac of ${dev}` })));
  };
  const [victim, attacker] = [localPod('shop/v/1', ['10.1.0.2']), localPod('evil/h/1', ['10.1.0.3'])];
  const at = (port: string): Link => ({ device: 'cni0', port });

  it('takes the ports of a bridge where each pod has answered on one of its own', async () => {
    isHeardAt({ '10.1.0.2': 'vethV', '10.1.0.3': 'vethH' });
    await look(victim, attacker);
    assert.deepEqual(told, [{ '10.1.0.2': at('vethV'), '10.1.0.3': at('vethH') }]);
  });

  it('does not take a port that a sandbox record gives to another pod', async () => {
    isHeardAt({ '10.1.0.2': 'vethH' });
    const recorded = localPod('evil/h/1', ['10.1.0.3'], { '10.1.0.3': at('vethH') });
    await look(victim, recorded);
    now += 60_000;
    assert.deepEqual(await look(victim, recorded), ['shop/v/1 not-guarded not-enforced 10.1.0.2']);
    assert.deepEqual(told, []);
    isHeardAt({ '10.1.0.2': 'vethV' });
    await look(victim, recorded);
    assert.deepEqual(told, [{ '10.1.0.2': at('vethV') }]);
  });

  it('does not take a port of a bridge while another pod may be behind it', async () => {
    isHeardAt({ '10.1.0.2': 'vethH' });
    await look(victim, attacker);
    now += 60_000;
    assert.deepEqual(await look(victim, attacker), [
      'shop/v/1 not-guarded not-enforced 10.1.0.2',
      'evil/h/1 not-guarded not-enforced 10.1.0.3',
    ]);
    assert.deepEqual(told, []);
  });

  it('keeps the port of a pod while another one answers for it, and takes no port of it for that one', async () => {
    isHeardAt({ '10.1.0.2': 'vethV' });
    await look(victim);
    answers['neighbour show to 10.1.0.2'] = '[]';
    answers['neighbour show to 10.1.0.3'] = JSON.stringify([{ dev: 'cni0', lladdr: 'mac of vethV' }]);
    await look(victim, attacker);
    assert.deepEqual(told, [{ '10.1.0.2': at('vethV') }]);
  });

  it('does not look for what sandboxes tell', async () => {
    await look(localPod('x/a/1', ['10.1.0.1'], { '10.1.0.1': { device: 'v1' } }));
    assert.deepEqual([told, runs], [[], 0]);
  });

  it('keeps a link that is there, and that the node says nothing of any more', async () => {
    isAt('10.1.0.1', 'v1');
    const a = localPod('x/a/1', ['10.1.0.1']);
    await look(a);
    delete answers['route show table all to exact 10.1.0.1'];
    await look(a);
    assert.equal(told.length, 1);
    delete answers['link show dev v1'];
    await look(a);
    assert.deepEqual(told[1], {});
  });

  it('does not give a link to the next pod that has the address', async () => {
    isAt('10.1.0.1', 'v1');
    await look(localPod('x/a/1', ['10.1.0.1']));
    delete answers['route show table all to exact 10.1.0.1'];
    await look(localPod('x/b/2', ['10.1.0.1']));
    assert.deepEqual(told[1], {});
  });

  it('follows a pod to another device, and forgets the one that went', async () => {
    isAt('10.1.0.1', 'v1');
    await look(localPod('x/a/1', ['10.1.0.1']));
    isAt('10.1.0.1', 'v2');
    await look(localPod('x/a/1', ['10.1.0.1']));
    await look();
    assert.deepEqual(told.slice(1), [{ '10.1.0.1': { device: 'v2' } }, {}]);
  });

  it('says which pods are not guarded, not before they have had a minute', async () => {
    isAt('10.1.0.1', 'v1');
    const pods = [localPod('x/a/1', ['10.1.0.1', 'fd00::1']), localPod('x/b/2', ['10.1.0.2', 'fd00::2'])];
    assert.deepEqual(await look(...pods), []);
    now += 59_999;
    assert.deepEqual(await look(...pods), []);
    now += 1;
    assert.deepEqual(await look(...pods, localPod('x/c/3', ['10.1.0.3'])), [
      'x/a/1 not-guarded not-enforced fd00::1',
      'x/b/2 not-guarded not-enforced 10.1.0.2 and fd00::2',
    ]);
    isAt('fd00::1', 'v1');
    assert.deepEqual(await look(pods[0]!), []);
    assert.deepEqual(await look(...pods), []);
  });
});
