import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { judgeLink, type LinkDescription } from '../../src/sandboxes/link.ts';

const bridge: LinkDescription = { kind: 'bridge' };
const routed: LinkDescription = { kind: 'veth' };
const port: LinkDescription = { kind: 'veth', master: { name: 'cni0', kind: 'bridge' } };
const card: LinkDescription = { kind: undefined };

function judge(devices: readonly string[], found: Readonly<Record<string, LinkDescription>>) {
  return judgeLink(devices, new Map(Object.entries(found)));
}

describe("a sandbox's link", () => {
  it('is its own device, or the bridge that this is a port of', () => {
    assert.deepEqual(judge(['veth1'], { veth1: routed }), { live: true, link: { device: 'veth1' } });
    assert.deepEqual(judge(['cni0', 'veth1'], { cni0: bridge, veth1: port }), {
      live: true,
      link: { device: 'cni0', port: 'veth1' },
    });
  });

  it('is not told of a port of another switch', () => {
    const veth1 = { kind: 'veth', master: { name: 'ovs-system', kind: 'openvswitch' } };
    assert.deepEqual(judge(['veth1'], { veth1 }), { live: true, link: undefined });
  });

  it('is not told of what pods share, nor where two could be it', () => {
    assert.deepEqual(judge(['eth0'], { eth0: card }), { live: true, link: undefined });
    assert.deepEqual(judge(['cni0'], { cni0: bridge }), { live: true, link: undefined });
    assert.deepEqual(judge(['veth1', 'veth2'], { veth1: routed, veth2: routed }), { live: true, link: undefined });
  });

  it('is gone with its own device, though a bridge is there again', () => {
    assert.deepEqual(judge(['veth1'], {}), { live: false, link: undefined });
    assert.deepEqual(judge(['cni0', 'veth1'], { cni0: bridge }), { live: false, link: undefined });
  });

  it('of no device says nothing against the sandbox', () => {
    assert.deepEqual(judge([], {}), { live: true, link: undefined });
  });
});
