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
  let gone: boolean;
  const entry = { ...cacheEntry(), ranges: [] };
  const file = entryName();

  beforeEach(async () => {
    [folder, watched, gone] = [await makeFolder(), new Watched(), false];
    await mkdir(join(folder.path, 'results'));
  });
  afterEach(async () => {
    await watched.stop();
    await folder[Symbol.asyncDispose]();
  });
  const start = async (roundMs = 3_600_000): Promise<void> => {
    const describeLinks = async (names: readonly string[]): Promise<LinkDescriptions> =>
      gone ? new Map() : describeVeths(names);
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
    announcer.announce(file, entry);
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
    announcer.announce(file, entry);
    await told('c1 web');
    announcer.withdraw(file);
    assert.equal(watched.take().at(-1), 'c1 ended');
    announcer.announce(file, entry);
    await told('c1 web');
    await writeFile(path(), entryText());
    await told('ranges');
    watched.take();
    announcer.withdraw(file);
    assert.deepEqual(watched.lines, []);
  });

  it('ends with its device, if nobody withdraws it', async () => {
    await start(20);
    announcer.announce(file, entry);
    await told('c1 web');
    gone = true;
    await told('c1 ended');
    assert.deepEqual(announcer.announced(), []);
  });

  it('outlives rounds in which there is no record yet', async () => {
    let rounds = 0;
    await start(20);
    announcer.announce(file, entry);
    await told('c1 web');
    await writeFile(join(folder.path, 'results', entryName({ id: 'c2' })), 'not yet');
    await until(() => ++rounds > 20 && watched.lines.some((line) => line.includes('is not JSON')));
    assert.ok(!watched.lines.some((line) => line.startsWith('c1 ended')));
  });

  it('is told twice for two calls of the same sandbox only if they differ', async () => {
    await start();
    announcer.announce(file, entry);
    announcer.announce(file, entry);
    announcer.announce(file, { ...entry, addresses: ['10.1.0.7'] });
    await told('c1 web 10.1.0.7');
    assert.deepEqual(watched.take(), ['c1 web 10.1.0.7 veth-c1']);
  });
});
