import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { dhcpBridgeOf, needsOf, networkConfig, pluginsOf, podLinksOf } from '../../src/lab/cni-config.ts';
import { parseConfigList, readNetwork } from '../../src/lab/config-list.ts';

const node = { podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'], ipamDirectory: '/ipam', dhcpSocket: '/dhcp.sock' };

describe('a CNI configuration list for a lab', () => {
  const parse = (value: unknown) => parseConfigList(JSON.stringify(value), 'net.conflist');
  const list = (...plugins: readonly object[]) => ({ cniVersion: '1.0.0', name: 'net', plugins });

  it('keeps all of its fields', () => {
    const given = { ...list({ type: 'bridge', vlan: 7 }, { type: 'tuning', sysctl: {} }), disableCheck: true };
    assert.deepEqual(parse(given), given);
    assert.deepEqual(networkConfig(parse(given), node), given);
  });

  it('gets the addresses of the node where host-local has none', () => {
    const [empty, filled, dhcp] = networkConfig(
      parse(
        list(
          { type: 'bridge', ipam: { type: 'host-local', dataDir: '/mine' } },
          { type: 'ptp', ipam: { type: 'host-local', subnet: '10.1.0.0/24' } },
          { type: 'macvlan', ipam: { type: 'dhcp' } },
        ),
      ),
      { ...node, mtu: 1400 },
    ).plugins as unknown as Record<string, Record<string, unknown>>[];
    assert.deepEqual(empty, {
      type: 'bridge',
      mtu: 1400,
      ipam: {
        type: 'host-local',
        dataDir: '/mine',
        ranges: node.podCidrs.map((subnet) => [{ subnet }]),
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      },
    });
    assert.deepEqual(filled!['ipam'], { type: 'host-local', subnet: '10.1.0.0/24' });
    assert.deepEqual(dhcp!['ipam'], { type: 'dhcp', daemonSocketPath: '/dhcp.sock' });
  });

  it('needs its plugins, also those for addresses, each once', () => {
    const ipam = { type: 'host-local' };
    assert.deepEqual(pluginsOf(parse(list({ type: 'bridge', ipam }, { type: 'tuning' }, { type: 'tuning' }))), [
      'bridge',
      'host-local',
      'tuning',
    ]);
  });

  it('has the files of flanneld where the lab writes them, and needs the plugin that flannel calls', () => {
    const given = parse(list({ type: 'flannel', delegate: { hairpinMode: true } }));
    assert.deepEqual(pluginsOf(given), ['flannel', 'bridge']);
    assert.deepEqual(pluginsOf(parse(list({ type: 'flannel', delegate: { type: 'ptp' } }))), ['flannel', 'ptp']);
    assert.deepEqual(networkConfig(given, { ...node, flannelDirectory: '/node/flannel' }).plugins, [
      {
        type: 'flannel',
        delegate: { hairpinMode: true },
        subnetFile: '/node/flannel/subnet.env',
        dataDir: '/node/flannel/delegates',
        ipam: { type: 'host-local', dataDir: '/ipam' },
      },
    ]);
  });

  it('needs VLANs of the kernel where a plugin uses them', () => {
    const needs = (...plugins: readonly object[]) => needsOf(parse(list(...plugins))).map(({ what }) => what);
    assert.deepEqual(needs({ type: 'bridge' }, { type: 'ptp', vlan: 7 }), []);
    assert.deepEqual(needs({ type: 'bridge', vlan: 7 }), ['VLAN filtering of bridges']);
    assert.deepEqual(needs({ type: 'vlan', vlanId: 7 }), ['VLAN devices']);
    assert.deepEqual(needs({ type: 'macvlan', master: 'eth0.7' }), ['VLAN devices', 'macvlan devices']);
    assert.deepEqual(needs({ type: 'ipvlan', master: 'eth0' }), ['ipvlan devices']);
  });

  it('says how its pods reach others', () => {
    const links = (plugin: object) => podLinksOf(parse(list(plugin)));
    assert.partialDeepStrictEqual(links({ type: 'ptp' }), { way: 'routed', hairpins: false });
    assert.partialDeepStrictEqual(links({ type: 'macvlan' }), { way: 'shared', hairpins: false });
    assert.partialDeepStrictEqual(links({ type: 'macvlan', mode: 'vepa' }), { way: 'shared', hairpins: true });
    assert.partialDeepStrictEqual(links({ type: 'macvlan', master: 'eth0.7' }), { way: 'shared', vlan: 7 });
    assert.partialDeepStrictEqual(links({ type: 'ipvlan', mode: 'l2' }), { way: 'shared' });
    assert.partialDeepStrictEqual(links({ type: 'ipvlan', mode: 'l3' }), { way: 'uplink' });
    assert.throws(() => links({ type: 'ipvlan', mode: 'l3', master: 'eth0.7' }), {
      code: 'input',
      message: /give it the master eth0/,
    });
  });

  it('has its DHCP server on the bridge of the pods', () => {
    const ipam = { type: 'dhcp' };
    assert.equal(dhcpBridgeOf(parse(list({ type: 'bridge', bridge: 'br7', ipam }))), 'br7');
    assert.equal(dhcpBridgeOf(parse(list({ type: 'bridge', ipam }))), 'cni0');
    assert.equal(dhcpBridgeOf('bridge'), undefined);
    assert.throws(() => dhcpBridgeOf(parse(list({ type: 'macvlan', ipam }))), {
      code: 'input',
      message: /on a bridge/,
    });
  });

  const wrong: readonly [message: RegExp, text: string][] = [
    [/^net\.conflist is not JSON: /, '{'],
    [/^net\.conflist is not a JSON object$/, '[]'],
    [/has no cniVersion/, '{}'],
    [/has no valid name/, JSON.stringify({ ...list(), name: '../etc' })],
    [/write a \.conflist, not a \.conf of one plugin/, JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 'ptp' })],
    [/has an empty list of plugins/, JSON.stringify(list())],
    [/plugins\[1\] has no valid type/, JSON.stringify(list({ type: 'ptp' }, { type: '../../bin/sh' }))],
    [/plugins\[0\] has no valid type/, JSON.stringify({ ...list(), plugins: [null] })],
  ];
  for (const [message, text] of wrong) {
    it(`is refused with a reason: ${text}`, () => {
      assert.throws(() => parseConfigList(text, 'net.conflist'), { code: 'input', message });
    });
  }

  it('is asked for by its path, and the networks of the lab by name', async () => {
    assert.equal(await readNetwork('ptp'), 'ptp');
    await assert.rejects(readNetwork('/nowhere.conflist'), {
      code: 'input',
      message: /takes bridge, ptp, or a file: ENOENT/,
    });
  });
});
