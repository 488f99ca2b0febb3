import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { LinkDescriptions } from '../../src/sandboxes/link.ts';
import type { SandboxWatchOptions } from '../../src/sandboxes/sandboxes.ts';
import { until } from '../lab/until.ts';
import { entryName, entryText, type EntryFields } from './entries.ts';
import { describeVeths, makeFolder, Watched } from './watched.ts';

describe("the watch of the runtime's sandboxes", function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let directory: string;
  let watched: Watched;

  beforeEach(async () => {
    folder = await makeFolder();
    directory = join(folder.path, 'cni', 'results');
    watched = new Watched();
  });
  afterEach(async () => {
    await watched.stop();
    await folder[Symbol.asyncDispose]();
  });

  const pathOf = (fields?: EntryFields): string => join(directory, entryName(fields));
  /** As libcni does: created, then written. */
  const write = async (fields: EntryFields): Promise<void> => {
    await mkdir(directory, { recursive: true });
    await writeFile(pathOf(fields), entryText(fields));
  };
  const remove = (id: string): Promise<void> => unlink(pathOf({ id }));
  const told = (...lines: readonly string[]): Promise<void> =>
    until(() => new Set(lines).isSubsetOf(new Set(watched.lines)));
  const start = async (options?: Partial<SandboxWatchOptions>): Promise<string[]> => {
    watched.start(directory, options);
    await until(() => watched.lines.some((line) => /^(listed|lost)/.test(line)));
    return watched.take();
  };
  /** All that was under way has come to its end. */
  const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  /** Until what was written last is told, all before it has been. */
  const settle = async (): Promise<string[]> => {
    await write({ id: 'last', pod: 'last', addresses: ['10.1.0.99'] });
    await told('last last 10.1.0.99 veth-last');
    await remove('last');
    await told('last ended');
    return watched.take().filter((line) => !line.startsWith('last'));
  };

  it('tells what is there, and then that this is all', async () => {
    await write({ id: 'c1', pod: 'a', addresses: ['10.1.0.2', 'fd00::2'] });
    await write({ id: 'c2', pod: 'b', addresses: ['10.1.0.3'], devices: ['gone1'] });
    assert.deepEqual(await start(), [
      'c1 a 10.1.0.2,fd00::2 veth-c1',
      'c2 b 10.1.0.3 dead',
      'ranges 10.1.0.0/24',
      'listed 2',
    ]);
  });

  it('orders what is there by the time of writing, and what comes later behind it', async () => {
    const times = { c1: 3, c2: 1, c3: 2, c4: 0, c5: 2, c6: 2, c7: 2 };
    for (const [id, time] of Object.entries(times)) {
      await write({ id });
      await utimes(pathOf({ id }), 1_700_000_000 + time, 1_700_000_000 + time);
    }
    await start();
    await write({ id: 'c0' });
    await told('c0 web 10.1.0.2 veth-c0');
    const sandboxes = watched.facts.flatMap((fact) => (fact.op === 'sandbox' ? [fact.value!] : []));
    assert.deepEqual(
      sandboxes.map(({ id, order }) => `${order} ${id}`),
      ['1 c4', '2 c2', '3 c3', '4 c5', '5 c6', '6 c7', '7 c1', '8 c0'],
    );
  });

  it('tells of what appears, is written anew, and ends', async () => {
    await mkdir(directory, { recursive: true });
    assert.deepEqual(await start(), ['listed 0']);
    await write({ id: 'c1' });
    await told('c1 web 10.1.0.2 veth-c1');
    await write({ id: 'c1', addresses: ['10.1.0.3'] });
    await told('c1 web 10.1.0.3 veth-c1');
    await remove('c1');
    await told('c1 ended');
    assert.deepEqual(await settle(), [
      'c1 web 10.1.0.2 veth-c1',
      'ranges 10.1.0.0/24',
      'c1 web 10.1.0.3 veth-c1',
      'c1 ended',
    ]);
  });

  it('tells nothing of a file that is written again as it was', async () => {
    await write({ id: 'c1' });
    await start();
    await write({ id: 'c1' });
    await utimes(pathOf({ id: 'c1' }), 1, 1);
    assert.deepEqual(await settle(), []);
  });

  it('asks once about the devices of a pod that starts, however often its file is told of', async () => {
    await mkdir(directory, { recursive: true });
    const asked: string[] = [];
    await start({
      describeLinks: async (names) => {
        asked.push(...names);
        return describeVeths(names);
      },
    });
    const ids = Array.from({ length: 20 }, (_, n) => `c${n}`);
    for (const id of ids) await write({ id });
    await settle();
    assert.deepEqual(asked.toSorted(), [...ids, 'last'].map((id) => `veth-${id}`).toSorted());
  });

  it('waits for the rest of a file that is being written', async () => {
    await mkdir(directory, { recursive: true });
    await start();
    const text = entryText({ id: 'c1' });
    await writeFile(pathOf({ id: 'c1' }), '');
    await writeFile(pathOf({ id: 'c1' }), text.slice(0, 100), { flag: 'a' });
    assert.deepEqual(await settle(), ['ranges 10.1.0.0/24']);
    await writeFile(pathOf({ id: 'c1' }), text.slice(100), { flag: 'a' });
    await told('c1 web 10.1.0.2 veth-c1');
  });

  it('keeps what a file said while it is written anew', async () => {
    await write({ id: 'c1' });
    await start();
    await truncate(pathOf({ id: 'c1' }));
    assert.deepEqual(await settle(), []);
    await write({ id: 'c1', addresses: ['10.1.0.3'] });
    await told('c1 web 10.1.0.3 veth-c1');
    assert.deepEqual(watched.take(), ['c1 web 10.1.0.3 veth-c1']);
  });

  it('reports what stays half-written, once', async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(pathOf({ id: 'c1' }), entryText({ id: 'c1' }).slice(0, 100));
    assert.deepEqual(await start({ roundMs: 20 }), ['listed 0']);
    await told('net-c1-eth0 is not JSON');
    await writeFile(pathOf({ id: 'c2' }), 'null');
    await told('net-c2-eth0 is not a JSON object');
    assert.equal(watched.lines.length, 2);
  });

  it('loses no change, however often a file is written while it is read', async () => {
    await mkdir(directory, { recursive: true });
    await start();
    for (let n = 2; n < 200; n++) await write({ id: 'c1', addresses: [`10.1.0.${n}`] });
    await told('c1 web 10.1.0.199 veth-c1');
    const sandboxes = await settle();
    assert.equal(sandboxes.at(-1), 'c1 web 10.1.0.199 veth-c1');
  });

  it('tells of a thousand that come and go at once', async () => {
    await mkdir(directory, { recursive: true });
    await start();
    const ids = Array.from({ length: 1000 }, (_, n) => `c${n}`);
    await Promise.all(ids.map((id) => write({ id })));
    await told(...ids.map((id) => `${id} web 10.1.0.2 veth-${id}`));
    await Promise.all(ids.map(remove));
    await told(...ids.map((id) => `${id} ended`));
  });

  describe('leaves alone', () => {
    const name = entryName({ id: 'c1' });
    const foreign: Record<string, () => Promise<unknown>> = {
      'another interface of a pod': () => writeFile(join(directory, 'net-c1-net1'), entryText({ id: 'c1' })),
      'a container that is no pod': () =>
        writeFile(join(directory, name), entryText({ id: 'c1' }).replaceAll('K8S_POD_NAME', 'OTHER')),
    };
    for (const [what, make] of Object.entries(foreign)) {
      it(what, async () => {
        await mkdir(directory, { recursive: true });
        await make();
        assert.deepEqual(await start(), ['listed 0']);
        await make();
        assert.deepEqual(await settle(), ['ranges 10.1.0.0/24']);
      });
    }

    const problems: Record<string, readonly [line: string, make: () => Promise<unknown>]> = {
      'another kind': [
        'is not of kind cniCacheV1',
        () => writeFile(join(directory, name), entryText({ id: 'c1' }).replace('cniCacheV1', 'other')),
      ],
      'a copy': [
        'has a name that does not match its content',
        () => writeFile(join(directory, name), entryText({ id: 'c2' })),
      ],
      'a directory': ['is not a regular file', () => mkdir(join(directory, name))],
      'a pipe': ['is not a regular file', async () => execFileSync('mkfifo', [join(directory, name)])],
      'a huge file': ['has 1048577 bytes', () => writeFile(join(directory, name), ' '.repeat((1 << 20) + 1))],
      'a link in a circle': ['cannot be read: ELOOP', () => symlink(name, join(directory, name))],
    };
    for (const [what, [line, make]] of Object.entries(problems)) {
      it(`${what}, and says so once`, async () => {
        await write({ id: 'c9' });
        await make();
        const [problem, ...rest] = await start({ roundMs: 20 });
        assert.ok(problem?.startsWith(`${name} ${line}`), problem);
        assert.deepEqual(rest, ['c9 web 10.1.0.2 veth-c9', 'ranges 10.1.0.0/24', 'listed 1']);
        assert.deepEqual(await settle(), []);
      });
    }
  });

  it('ends a sandbox whose file becomes another’s', async () => {
    await write({ id: 'c1' });
    await start();
    await writeFile(pathOf({ id: 'c1' }), entryText({ id: 'c2' }));
    await told('c1 ended', 'net-c1-eth0 has a name that does not match its content');
  });

  it('merges two networks of one container (Multus), until the last one goes', async () => {
    await write({ id: 'c1', network: 'multus-cni-network', devices: ['cni0x', 'gone'] });
    await write({ id: 'c1', network: 'cbr0', devices: ['cni0x'], addresses: ['10.1.0.2', 'fd00::2'] });
    assert.deepEqual(await start(), ['c1 web 10.1.0.2,fd00::2 cni0x', 'ranges 10.1.0.0/24', 'listed 1']);
    await unlink(pathOf({ id: 'c1', network: 'cbr0' }));
    await told('c1 web 10.1.0.2 cni0x');
    await unlink(pathOf({ id: 'c1', network: 'multus-cni-network' }));
    await told('c1 ended');
  });

  describe('of a directory', () => {
    it('that is missing says so, and finds it when it is made, with all above it', async () => {
      assert.deepEqual(await start(), [`lost: the directory ${directory} does not exist`]);
      await mkdir(join(folder.path, 'cni'));
      await write({ id: 'c1' });
      await told('c1 web 10.1.0.2 veth-c1');
      await until(() => watched.lines.some((line) => line.startsWith('listed')));
      assert.ok(!watched.lines.some((line) => line.startsWith('lost')), watched.lines.join());
    });

    it('that is removed and made again follows the new one', async () => {
      await write({ id: 'c1' });
      await start();
      for (let n = 2; n < 6; n++) {
        await rm(directory, { recursive: true });
        await told(`c${n - 1} ended`);
        await write({ id: `c${n}` });
        await told(`c${n} web 10.1.0.2 veth-c${n}`);
      }
    });

    it('that is removed and made again at once, too', async () => {
      await mkdir(directory, { recursive: true });
      await start();
      for (let n = 1; n < 50; n++) {
        await rm(directory, { recursive: true });
        await write({ id: `c${n}` });
      }
      await told('c49 web 10.1.0.2 veth-c49');
    });

    it('that is moved away keeps what was told until there is one again', async () => {
      await write({ id: 'c1' });
      await start();
      await rename(directory, join(folder.path, 'aside'));
      await told(`lost: the directory ${directory} does not exist`);
      assert.deepEqual(watched.take(), [`lost: the directory ${directory} does not exist`]);
      await write({ id: 'c2' });
      await told('c1 ended', 'c2 web 10.1.0.2 veth-c2');
    });

    it('that is lost before all of it was told is not said to be listed', async () => {
      await write({ id: 'c1' });
      const asked = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<LinkDescriptions>();
      watched.start(directory, {
        describeLinks: () => {
          asked.resolve();
          return answer.promise;
        },
      });
      await asked.promise;
      await rename(directory, join(folder.path, 'aside'));
      await until(() => watched.lines.length > 0);
      answer.resolve(await describeVeths(['veth-c1']));
      await told('c1 web 10.1.0.2 veth-c1', 'ranges 10.1.0.0/24');
      await tick();
      assert.ok(!watched.lines.includes('listed 1'));
      await rename(join(folder.path, 'aside'), directory);
      await told('listed 1');
      assert.deepEqual(watched.lines, [
        `lost: the directory ${directory} does not exist`,
        'c1 web 10.1.0.2 veth-c1',
        'ranges 10.1.0.0/24',
        'listed 1',
      ]);
    });

    it('that cannot be read says why, and reads it as soon as it can be', async () => {
      await mkdir(join(folder.path, 'cni'));
      await writeFile(directory, 'a file');
      assert.deepEqual(await start({ roundMs: 20 }), [`lost: the directory ${directory} does not exist`]);
      await unlink(directory);
      await write({ id: 'c1' });
      await told('c1 web 10.1.0.2 veth-c1');
    });

    it('that vanishes unseen, with what is above it, is missed in the next round', async () => {
      await write({ id: 'c1' });
      await start({ roundMs: 20 });
      await rename(join(folder.path, 'cni'), join(folder.path, 'aside'));
      await told(`lost: the directory ${directory} does not exist`);
      await write({ id: 'c2' });
      await told('c1 ended', 'c2 web 10.1.0.2 veth-c2');
    });
  });

  describe('asks about devices', () => {
    const never = (): Promise<never> => new Promise(() => {});

    it('and waits for the answer to one sandbox while it tells of the next', async () => {
      await mkdir(directory, { recursive: true });
      await start({ describeLinks: (names) => (names.includes('veth-c1') ? never() : describeVeths(names)) });
      await write({ id: 'c1' });
      await write({ id: 'c2' });
      await told('c2 web 10.1.0.2 veth-c2');
      await remove('c1');
      assert.deepEqual(await settle(), ['c2 web 10.1.0.2 veth-c2', 'ranges 10.1.0.0/24']);
    });

    it('and does without an answer after a time: it takes the sandbox for running, and asks again', async () => {
      await write({ id: 'c1' });
      let hangs = true;
      const describeLinks: SandboxWatchOptions['describeLinks'] = (names) => (hangs ? never() : describeVeths(names));
      assert.deepEqual(await start({ describeLinks, answerMs: 20, roundMs: 60 }), [
        'degraded: the devices of pods are unknown: no answer within 0.02 s',
        'c1 web 10.1.0.2 somewhere',
        'ranges 10.1.0.0/24',
        'listed 1',
      ]);
      hangs = false;
      await told('c1 web 10.1.0.2 veth-c1');
      assert.deepEqual(watched.take(), ['c1 web 10.1.0.2 veth-c1']);
    });

    it('and tells why there is no answer', async () => {
      await write({ id: 'c1' });
      let questions = 0;
      const describeLinks = () => {
        questions++;
        return Promise.reject(new Error('ip cannot be used'));
      };
      const [degraded, ...rest] = await start({ describeLinks, roundMs: 20 });
      assert.equal(degraded, 'degraded: the devices of pods are unknown: ip cannot be used');
      assert.deepEqual(rest, ['c1 web 10.1.0.2 somewhere', 'ranges 10.1.0.0/24', 'listed 1']);
      await until(() => questions > 3);
      assert.deepEqual(watched.take(), []);
    });
  });

  describe('that is to end', () => {
    const startAsked = async () => {
      await write({ id: 'c1' });
      const asked = Promise.withResolvers<AbortSignal>();
      const answer = Promise.withResolvers<LinkDescriptions>();
      watched.start(directory, {
        describeLinks: (_, signal) => {
          asked.resolve(signal);
          return answer.promise;
        },
      });
      return { signal: await asked.promise, answer };
    };
    it('tells its questions so, and nothing to anybody else', async () => {
      const { signal } = await startAsked();
      await watched.stop();
      await tick();
      assert.deepEqual([signal.aborted, watched.lines], [true, []]);
    });

    it('pays no comparableFields to an answer that comes just then', async () => {
      const { answer } = await startAsked();
      answer.resolve(await describeVeths(['veth-c1']));
      await watched.stop();
      await tick();
      assert.deepEqual(watched.lines, []);
    });
  });
});
