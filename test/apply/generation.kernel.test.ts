import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { execa } from 'execa';
import { openGenerationReader } from '../../src/apply/generation.ts';
import { openNetworkNamespace, type NetworkNamespace } from '../../src/apply/network-namespace.ts';
import { createNft } from '../../src/apply/nft.ts';

describe('the network namespace of a pod (kernel)', () => {
  const name = `postern-generation-${process.pid}`;
  const path = `/run/netns/${name}`;
  const { signal } = new AbortController();
  let namespace: NetworkNamespace;
  before(async () => {
    await execa('ip', ['netns', 'add', name]);
    namespace = openNetworkNamespace(path);
  });
  after(async () => {
    namespace.close();
    await execa('ip', ['netns', 'delete', name], { reject: false });
  });

  it('is not entered after it has been closed: its descriptor may be that of another pod', async () => {
    const closed = openNetworkNamespace(path);
    assert.equal(closed.enter('nft', [])[0], 'nsenter');
    closed.close();
    assert.throws(() => closed.enter('nft', []), /has been closed/);
    await assert.rejects(closed.openSocket(), /has been closed/);
  });

  it('has a generation that grows by one with each transaction, and not with a check or a failure (K46)', async () => {
    const generations = openGenerationReader(namespace.openSocket);
    const nft = createNft({ enter: namespace.enter });
    const first = await generations.read();
    const grown = async (): Promise<number> => (await generations.read()) - first;
    const script = 'table ip postern { set a { type ipv4_addr; }; chain c { counter; }; }\nadd table ip6 postern\n';
    await nft.run(script, { check: true, signal });
    assert.equal(await grown(), 0);
    await nft.run(script, { check: false, signal });
    assert.equal(await grown(), 1);
    await assert.rejects(nft.run('add rule ip postern missing drop', { check: false, signal }));
    await nft.awaitGracePeriod(signal);
    assert.equal(await grown(), 1);
    await execa(...namespace.enter('nft', ['add element ip postern a { 192.0.2.1 }']));
    assert.equal(await grown(), 2);
    // Here, nothing of it shows.
    assert.equal(await createNft().list('ip', signal), undefined);
    generations.close();
  });

  it('stays the same when the path leads elsewhere', async () => {
    assert.ok(namespace.isCurrent());
    await execa('ip', ['netns', 'delete', name]);
    assert.ok(!namespace.isCurrent());
    await execa('ip', ['netns', 'add', name]);
    assert.ok(!namespace.isCurrent());
    const nft = createNft({ enter: namespace.enter });
    assert.match((await nft.list('ip', signal)) ?? '', /postern/);
  });

  it('is none of the node, and no file', () => {
    assert.throws(() => openNetworkNamespace('/proc/self/ns/net'), /is the network namespace of the node/);
    assert.throws(() => openNetworkNamespace(import.meta.filename), /is no network namespace here: mount/);
    assert.throws(() => openNetworkNamespace('/run/netns/missing'), /does not exist: mount/);
  });
});
