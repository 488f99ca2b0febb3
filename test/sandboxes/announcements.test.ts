import assert from 'node:assert/strict';
import { mkdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { LinkDescriptions } from '../../src/sandboxes/link.ts';
import type { SandboxAnnouncer } from '../../src/sandboxes/sandboxes.ts';
import { until } from '../lab/until.ts';
import { cacheEntry, entryName, entryText } from './entries.ts';
import { describeVeths, makeFolder, Watched } from './watched.ts';

describe('what the CNI plugin tells before the runtime records it', function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let watched: Watched;
  let announcer: SandboxAnnouncer;
  let [gone, failing]: boolean[] = [];
  let lookups = 0;
  const entry = { ...cacheEntry(), ranges: [] };
  const file = entryName();

  beforeEach(async () => {
    [folder, watched, gone, failing] = [await makeFolder(), new Watched(), false, false];
    await mkdir(join(folder.path, 'results'));
  });
  afterEach(async () => {
    await watched.stop();
    await folder[Symbol.asyncDispose]();
  });
  const start = async (roundMs = 3_600_000): Promise<void> => {
    const describeLinks = async (names: readonly string[]): Promise<LinkDescriptions> => {
      lookups++;
      if (failing) throw new Error('ip failed');
      return gone ? new Map() : describeVeths(names);
    };
    watched.start(join(folder.path, 'results'), {
      roundMs,
      describeLinks,
      announcements: (each) => (announcer = each),
    });
    await told('listed');
    watched.take();
  };
  const told = (line: string): Promise<void> => until(() => watched.lines.some((each) => each.startsWith(line)));
  const path = (): string => join(folder.path, 'results', file);
  const isAnnounced = (): unknown[] =>
    watched.facts.flatMap((fact) => (fact.op === 'sandbox' && fact.value ? [fact.value.isAnnounced] : []));

  it('counts at once, and the record takes its place without an end', async () => {
    await start();
    void announcer.announce(file, entry);
    await told('c1 web 10.1.0.2 veth-c1');
    assert.deepEqual([announcer.announced(), isAnnounced()], [[file], [true]]);
    await writeFile(path(), entryText());
    await told('ranges');
    assert.deepEqual([announcer.announced(), isAnnounced()], [[], [true, undefined]]);
    assert.ok(!watched.lines.some((line) => line.endsWith('ended')));
    await unlink(path());
    await told('c1 ended');
  });

  it('ends when it is withdrawn, but not if it is recorded', async () => {
    await start();
    void announcer.announce(file, entry);
    await told('c1 web');
    announcer.withdraw(file);
    assert.equal(watched.take().at(-1), 'c1 ended');
    void announcer.announce(file, entry);
    await told('c1 web');
    await writeFile(path(), entryText());
    await told('ranges');
    watched.take();
    announcer.withdraw(file);
    assert.deepEqual(watched.lines, []);
  });

  it('ends with its device, if nobody withdraws it', async () => {
    await start(20);
    void announcer.announce(file, entry);
    await told('c1 web');
    gone = true;
    await told('c1 ended');
    assert.deepEqual(announcer.announced(), []);
  });

  it('ends with its network namespace, if it has no device on the node', async () => {
    await start(20);
    const netns = join(folder.path, 'netns');
    await writeFile(netns, '');
    await announcer.announce(file, { ...entry, hostDevices: [], netns });
    assert.deepEqual(watched.take(), ['c1 web 10.1.0.2 somewhere']);
    // Each round looks for the device of this one.
    const other = entryName({ id: 'c2' });
    await announcer.announce(other, { ...entry, id: 'c2', hostDevices: ['veth-c2'], netns: `${netns}-elsewhere` });
    const before = lookups;
    await until(() => lookups > before + 3);
    assert.deepEqual(announcer.announced(), [file, other]);
    await unlink(netns);
    await told('c1 ended');
    assert.deepEqual(announcer.announced(), [other]);
  });

  it('has been told when the call resolves, also if devices cannot be looked up', async () => {
    await start();
    await announcer.announce(file, entry);
    assert.ok(watched.lines.includes('c1 web 10.1.0.2 veth-c1'));
    failing = true;
    const other = { ...entry, id: 'c2', hostDevices: ['veth-c2'] };
    await announcer.announce(entryName({ id: 'c2' }), other);
    assert.ok(watched.lines.some((line) => line.startsWith('c2 web')));
  });

  it('outlives rounds in which there is no record yet', async () => {
    let rounds = 0;
    await start(20);
    void announcer.announce(file, entry);
    await told('c1 web');
    await writeFile(join(folder.path, 'results', entryName({ id: 'c2' })), 'not yet');
    await until(() => ++rounds > 20 && watched.lines.some((line) => line.includes('is not JSON')));
    assert.ok(!watched.lines.some((line) => line.startsWith('c1 ended')));
  });

  it('is told twice for two calls of the same sandbox only if they differ', async () => {
    await start();
    void announcer.announce(file, entry);
    void announcer.announce(file, entry);
    void announcer.announce(file, { ...entry, addresses: ['10.1.0.7'] });
    await told('c1 web 10.1.0.7');
    assert.deepEqual(watched.take(), ['c1 web 10.1.0.7 veth-c1']);
  });
});
