import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { renderAnswer } from '../../src/cni/answer.ts';
import { isOfNetwork, readRequest, validFiles } from '../../src/cni/request.ts';
import { readCacheEntry, type WantedInterfaces } from '../../src/sandboxes/cache-entry.ts';

interface Call {
  readonly command?: string;
  readonly id?: string;
  readonly ifName?: string;
  readonly args?: string;
  readonly config?: unknown;
}

const prevResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'veth1' }, { name: 'eth0', mac: '0A:00:00:00:00:01', sandbox: '/run/netns/a' }],
  ips: [{ interface: 1, address: '10.1.0.5/24' }],
};
const config = { cniVersion: '1.0.0', name: 'pods', type: 'postern-cni', prevResult };
const podArgs = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=x;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1';

function bytesOf({
  command = 'ADD',
  id = 'c1',
  ifName = 'eth0',
  args = podArgs,
  config: given = config,
}: Call): Buffer {
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  return Buffer.from(['postern-cni 1', command, id, '/run/netns/a', ifName, args, text].join('\0'));
}

function read(call: Call, interfaces: WantedInterfaces = 'eth0') {
  const request = readRequest(bytesOf(call), interfaces);
  assert.ok(typeof request !== 'string', String(request));
  return request;
}

const refusal = (bytes: Buffer): string => String(readRequest(bytes, 'eth0'));

describe('readRequest', () => {
  it('reads a pod as the runtime will record it', () => {
    const { command, file, subject } = read({});
    assert.deepEqual([command, file], ['ADD', 'pods-c1-eth0']);
    assert.deepEqual(subject, {
      kind: 'pod',
      entry: {
        id: 'c1',
        namespace: 'x',
        name: 'web',
        uid: 'u1',
        device: 'eth0',
        netns: undefined,
        addresses: ['10.1.0.5'],
        hostDevices: ['veth1'],
        mac: '0a:00:00:00:00:01',
        ranges: [],
      },
    });
  });

  it('reads the network namespace too, if the watch reads it from the record', () => {
    const { subject } = read({}, 'all');
    assert.ok(subject.kind === 'pod');
    assert.equal(subject.entry.netns, '/run/netns/a');
    const cniArgs = podArgs.split(';').map((pair) => pair.split('='));
    const record = { kind: 'cniCacheV1', containerId: 'c1', ifName: 'eth0', networkName: 'pods', cniArgs };
    const recorded = readCacheEntry(JSON.stringify({ ...record, result: prevResult }), 'pods-c1-eth0', 'all');
    assert.deepEqual(recorded, { kind: 'sandbox', entry: subject.entry });
  });

  it('means only the interface whose addresses are the pod’s, and only pods', () => {
    assert.equal(read({ ifName: 'net1' }).subject.kind, 'none');
    assert.equal(read({ ifName: 'net1' }, 'all').subject.kind, 'none');
    assert.equal(read({ args: '' }).subject.kind, 'none');
    assert.equal(read({ args: 'IgnoreUnknown=1' }).subject.kind, 'none');
  });

  it('makes nothing of a pod that it cannot name for certain', () => {
    const hostile = [
      'K8S_POD_NAMESPACE=x;K8S_POD_NAME=web',
      `${podArgs};K8S_POD_NAME=other`,
      'K8S_POD_NAMESPACE=x;K8S_POD_NAME=../../etc;K8S_POD_UID=u1',
      'K8S_POD_NAMESPACE=x;K8S_POD_NAME=a"b\\c;K8S_POD_UID=u1',
      'K8S_POD_NAMESPACE=x;K8S_POD_NAME=a\nb;K8S_POD_UID=u1',
      `K8S_POD_NAMESPACE=x;K8S_POD_NAME=${'a'.repeat(300)};K8S_POD_UID=u1`,
      'K8S_POD_NAMESPACE=x/y;K8S_POD_NAME=web;K8S_POD_UID=u1',
    ];
    for (const args of hostile) assert.equal(read({ args }).subject.kind, 'unusable', args);
    assert.equal(read({ id: 'a/../b' }).subject.kind, 'unusable');
    const withoutAddress = { ...config, prevResult: { ips: [] } };
    assert.equal(read({ config: withoutAddress }).subject.kind, 'unusable');
    const badAddress = { ...config, prevResult: { ips: [{ address: '10.1.0.5; drop/24' }] } };
    assert.equal(read({ config: badAddress }).subject.kind, 'unusable');
  });

  it('needs no result for DEL, GC and STATUS', () => {
    const bare = { cniVersion: '1.1.0', name: 'pods' };
    assert.equal(read({ command: 'DEL', config: bare, args: '' }).file, 'pods-c1-eth0');
    for (const command of ['GC', 'STATUS']) assert.equal(read({ command, config: bare, id: '', ifName: '' }).file, '');
  });

  it('says what is wrong with anything else', () => {
    assert.match(refusal(bytesOf({ command: 'EVAL' })), /command is unknown/);
    assert.match(refusal(bytesOf({ config: '[]' })), /not a JSON object/);
    assert.match(refusal(bytesOf({ config: '{"name":' })), /not a JSON object/);
    assert.match(refusal(Buffer.from('GET / HTTP/1.1\r\n\r\n')), /not of this version/);
    assert.match(refusal(Buffer.from(bytesOf({}).toString().replace('cni 1', 'cni 2'))), /not of this version/);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('postern-cni 1', 'ADD', 'DEL', 'GC', 'eth0', '{}'), fc.json())),
        (fields) => {
          readRequest(Buffer.from(fields.join('\0')), 'all');
        },
      ),
    );
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.json(), (id, args, json) => {
        readRequest(bytesOf({ id: id.replaceAll('\0', ''), args: args.replaceAll('\0', ''), config: json }), 'all');
      }),
    );
  });

  it('knows the attachments that GC leaves', () => {
    const valid = { name: 'pods', 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }, 7] };
    assert.deepEqual([...validFiles(valid)], ['pods-c1-eth0', 'pods--']);
    assert.ok(isOfNetwork(valid, 'pods-c2-eth0') && !isOfNetwork(valid, 'others-c2-eth0'));
  });
});

describe('renderAnswer', () => {
  it('is one line that the plugin can print', () => {
    assert.equal(renderAnswer({ kind: 'ok' }), 'ok\n');
    assert.equal(renderAnswer({ kind: 'late', reason: 'no "pod"\n\\x/y yet é' }), 'late no ?pod???x/y yet ?\n');
    const error = renderAnswer({ kind: 'error', code: 100, message: 'a "b"\nc' }, { cniVersion: '0.4.0' });
    const object = { cniVersion: '0.4.0', code: 100, msg: 'postern-cni: a "b"\nc', details: '' };
    assert.deepEqual(JSON.parse(error.slice('error '.length)), object);
    assert.equal(error.indexOf('\n'), error.length - 1);
  });
});
