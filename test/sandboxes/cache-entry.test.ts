import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { isEntryName, readCacheEntry, type CacheReading } from '../../src/sandboxes/cache-entry.ts';
import { cacheEntry, entryName, entryObject, entryText, type EntryFields } from './entries.ts';

const sandbox = '/var/run/netns/cni-1';

/** With some of its keys replaced; `undefined` takes one away. */
function readWith(changes: Record<string, unknown>, fields?: EntryFields): CacheReading {
  return readCacheEntry(JSON.stringify({ ...entryObject(fields), ...changes }), entryName(fields));
}

function addressesOf(result: unknown): readonly string[] | string {
  const reading = readWith({ result });
  if (reading.kind === 'sandbox') return reading.entry.addresses;
  return reading.kind === 'foreign' ? reading.kind : `${reading.kind}: ${reading.message}`;
}

const pair = (key: string, value: unknown) => [key, value];
const args = (...pairs: readonly unknown[][]) => ({ cniArgs: pairs });
const namespaceArg = pair('K8S_POD_NAMESPACE', 'shop');
const nameArg = pair('K8S_POD_NAME', 'web');
const uidArg = pair('K8S_POD_UID', 'uid-web');

describe("an entry of libcni's cache", () => {
  it('tells whose sandbox it is, its addresses, devices and ranges', () => {
    const fields = { id: 'c0ffee', addresses: ['10.1.0.2', 'fd00:1::2'], devices: ['cni0', 'veth1'] };
    const reading = readCacheEntry(entryText(fields), 'net-c0ffee-eth0');
    assert.deepEqual(reading, { kind: 'sandbox', entry: cacheEntry(fields) });
  });

  it('is known by the end of its name, as the network may have dashes', () => {
    assert.equal(isEntryName('my-net-c1-eth0'), true);
    assert.equal(isEntryName('net-c1-net1'), false);
    assert.equal(isEntryName('net-c1-veth0'), false);
    assert.equal(isEntryName('eth0'), false);
    const fields = { network: 'my-own-net' };
    assert.equal(readCacheEntry(entryText(fields), 'my-own-net-c1-eth0').kind, 'sandbox');
  });

  describe('with additional networks', () => {
    const read = (sandboxPath: unknown, ifName = 'net1'): CacheReading => {
      const result = {
        interfaces: [{ name: ifName, sandbox: sandboxPath }],
        ips: [{ interface: 0, address: '198.18.0.2/24' }],
      };
      return readCacheEntry(JSON.stringify({ ...entryObject(), ifName, result }), `net-c1-${ifName}`, 'all');
    };
    const netnsOf = (reading: CacheReading) => reading.kind === 'sandbox' && reading.entry.netns;

    it('has interfaces other than eth0, but not the loopback', () => {
      assert.equal(isEntryName('net-c1-net1', 'all'), true);
      assert.equal(isEntryName('cni-loopback-c1-lo', 'all'), false);
      assert.equal(read(sandbox, 'lo').kind, 'foreign');
      const reading = read(sandbox);
      assert.partialDeepStrictEqual(reading, { kind: 'sandbox', entry: { device: 'net1', addresses: ['198.18.0.2'] } });
    });

    it('names a network namespace only in the directory of the runtime', () => {
      assert.equal(netnsOf(read('/var/run/netns/cni-1')), '/run/netns/cni-1');
      assert.equal(netnsOf(read('/run/netns/cni-1')), '/run/netns/cni-1');
      for (const path of ['/proc/1/ns/net', '/run/netns/../../proc/1/ns/net', '/run/netns/..', '/run/netns/', 7]) {
        assert.equal(netnsOf(read(path)), undefined, String(path));
      }
    });
  });

  describe('with a result of version', () => {
    const old = {
      '0.1.0': { ip4: { ip: '10.1.0.2/24', gateway: '10.1.0.1' }, dns: {} },
      '0.2.0': { cniVersion: '0.2.0', ip4: { ip: '10.1.0.2/24' }, ip6: { ip: 'fd00:1::2/64' }, dns: {} },
    };
    for (const [version, result] of Object.entries(old)) {
      it(version, () => {
        const reading = readWith({ result });
        assert.equal(reading.kind, 'sandbox');
        assert.deepEqual(reading.kind === 'sandbox' && reading.entry.hostDevices, []);
        assert.deepEqual(addressesOf(result), version === '0.1.0' ? ['10.1.0.2'] : ['10.1.0.2', 'fd00:1::2']);
      });
    }

    for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
      it(cniVersion, () => {
        // Up to 0.4.0 an address says its family, from 1.1.0 on a device more of itself.
        const family = (version: '4' | '6') => (cniVersion < '1' ? { version } : {});
        const more = cniVersion === '1.1.0' ? { mtu: 1500, socketPath: '', pciID: '' } : {};
        const result = {
          cniVersion,
          interfaces: [
            { name: 'cni0', mac: 'b6:00:00:00:00:01', ...more },
            { name: 'veth1', mac: 'b6:00:00:00:00:02', ...more },
            { name: 'eth0', mac: 'b6:00:00:00:00:03', sandbox, ...more },
          ],
          ips: [
            { ...family('4'), interface: 2, address: '10.1.0.2/24', gateway: '10.1.0.1' },
            { ...family('6'), interface: 2, address: 'fd00:1:0::2/64', gateway: 'fd00:1::1' },
          ],
          routes: [{ dst: '0.0.0.0/0' }],
          dns: {},
        };
        const reading = readWith({ result });
        assert.deepEqual(reading.kind === 'sandbox' && reading.entry, {
          ...cacheEntry(),
          addresses: ['10.1.0.2', 'fd00:1::2'],
          hostDevices: ['cni0', 'veth1'],
          mac: 'b6:00:00:00:00:03',
        });
      });
    }
  });

  describe('names as addresses', () => {
    const interfaces = [{ name: 'veth1' }, { name: 'eth0', sandbox }, { name: 'net1', sandbox }];
    const ip = (address: unknown, index?: number) => ({ address, ...(index !== undefined && { interface: index }) });

    it('those of eth0 and those of no interface, as the container runtime reads them', () => {
      assert.deepEqual(addressesOf({ interfaces, ips: [ip('10.2.0.9/24', 2), ip('10.1.0.2/24', 1)] }), ['10.1.0.2']);
      assert.deepEqual(addressesOf({ interfaces, ips: [ip('10.1.0.2/24')] }), ['10.1.0.2']);
      assert.deepEqual(addressesOf({ interfaces, ips: [ip('10.1.0.2/24', 7)] }), 'unusable: has no address of the pod');
    });

    it('the first of a family', () => {
      const ips = [ip('fd00::2/64', 1), ip('10.1.0.2/24', 1), ip('10.1.0.3/24', 1), ip('fd00::3/64', 1)];
      assert.deepEqual(addressesOf({ interfaces, ips }), ['fd00::2', '10.1.0.2']);
    });

    it('nothing, where one is none: no address is better than a wrong one', () => {
      const ips = [ip('10.1.0.2/24', 1), ip('pod/24', 1)];
      assert.deepEqual(addressesOf({ interfaces, ips }), 'unusable: has the invalid address "pod/24"');
      assert.deepEqual(addressesOf({ interfaces, ips: [ip(4, 1)] }), 'unusable: has the invalid address ""');
      assert.deepEqual(addressesOf({}), 'unusable: has no address of the pod');
      assert.deepEqual(addressesOf(undefined), 'unusable: has no address of the pod');
    });
  });

  it('names as devices of the node what could be one, each once', () => {
    const devices = ['cni0', 'veth1', 'cni0', '', 'a/b', 'a b', '..', '-json', 'x'.repeat(16), 'veth0\nlink del lo'];
    const reading = readCacheEntry(entryText({ devices }), entryName());
    assert.deepEqual(reading.kind === 'sandbox' && reading.entry.hostDevices, ['cni0', 'veth1']);
    const many = readCacheEntry(entryText({ devices: Array.from({ length: 17 }, (_, n) => `veth${n}`) }), entryName());
    assert.deepEqual(many, { kind: 'unusable', message: 'names 17 devices, more than 16' });
  });

  describe('is of no pod', () => {
    const cases: Record<string, Record<string, unknown>> = {
      'without arguments': { cniArgs: undefined },
      'with no list of arguments': { cniArgs: 'K8S_POD_NAME=web' },
      'without a name': args(namespaceArg, uidArg),
      'with an empty name': args(namespaceArg, pair('K8S_POD_NAME', ''), uidArg),
      'with a name that is no text': args(namespaceArg, pair('K8S_POD_NAME', 7), uidArg),
      'without a namespace': args(nameArg, uidArg),
      'of another interface': { ifName: 'net1' },
    };
    for (const [what, changes] of Object.entries(cases)) {
      it(what, () => assert.deepEqual(readWith(changes), { kind: 'foreign' }));
    }
  });

  describe('is not used', () => {
    const cases: Record<string, [changes: Record<string, unknown>, message: RegExp]> = {
      'of another kind': [{ kind: 'cniCacheV2' }, /^is not of kind cniCacheV1$/],
      'in the form of before: a result alone': [{ kind: undefined }, /^is not of kind/],
      'without a uid': [args(namespaceArg, nameArg), /^has no K8S_POD_UID/],
      'of another container than its name says': [{ containerId: 'c2' }, /^has a name that does not match/],
      'of another network than its name says': [{ networkName: 'other' }, /^has a name that does not match/],
      'with a name that none is': [
        args(namespaceArg, pair('K8S_POD_NAME', '../x'), uidArg),
        /^has an invalid pod name/,
      ],
      'with a uid of two words': [args(namespaceArg, nameArg, pair('K8S_POD_UID', 'a b')), /^has an invalid pod name/],
    };
    for (const [what, [changes, message]] of Object.entries(cases)) {
      it(what, () => {
        const reading = readWith(changes);
        assert.equal(reading.kind, 'unusable');
        assert.match(reading.kind === 'unusable' ? reading.message : '', message);
      });
    }

    it('of a list', () => assert.equal(readCacheEntry('[]', entryName()).kind, 'unusable'));
  });

  it('that is written up to any byte is unreadable, not wrong', () => {
    const text = entryText({ addresses: ['10.1.0.2', 'fd00::2'] });
    for (let length = 0; length < text.length; length++) {
      assert.equal(readCacheEntry(text.slice(0, length), entryName()).kind, 'unreadable', text.slice(0, length));
    }
    for (const json of ['null', '7', '"text"']) assert.equal(readCacheEntry(json, entryName()).kind, 'unreadable');
  });
});
