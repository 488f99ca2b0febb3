import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import type { ModelObject, Namespace, ResourceEvent } from '../../src/model/cluster.ts';
import type { ApiError } from '../../src/watch/api-error.ts';
import { decodeNamespace } from '../../src/watch/decode.ts';
import type { WatchedResource } from '../../src/watch/resources.ts';
import { ResourceWatch, defaultTiming } from '../../src/watch/watch.ts';
import {
  gone,
  html,
  json,
  list,
  startScriptedServer,
  stream,
  until,
  type Answer,
  type ScriptedServer,
} from './scripted-server.ts';

const namespaces: WatchedResource = {
  resource: 'namespaces',
  kind: 'Namespace',
  path: '/api/v1/namespaces',
  namespaced: false,
  decode: decodeNamespace,
};

interface Run {
  readonly server: ScriptedServer;
  /** `upsert NAME label`, `remove NAME`, `synced`; of lists that came back empty `held COUNT`, `believed COUNT`, `back COUNT`. */
  readonly told: readonly string[];
  readonly errors: readonly (ApiError | undefined)[];
  readonly skipped: readonly string[];
  readonly delays: readonly number[];
  /** The labels of what should be there by now. */
  readonly state: ReadonlyMap<string, string>;
}

const cleanUps: (() => Promise<void>)[] = [];

async function run(script: readonly Answer[], silenceMs = 5_000, countBefore?: () => Promise<number>): Promise<Run> {
  const server = await startScriptedServer(script);
  const stop = new AbortController();
  const [told, errors, skipped, delays]: [string[], (ApiError | undefined)[], string[], number[]] = [[], [], [], []];
  let slept = 0;
  const state = new Map<string, string>();
  const emit = (event: ResourceEvent): void => {
    told.push(describeEvent(event));
    if (event.op === 'upsert') state.set(event.key, labelOf(event.value));
    if (event.op === 'remove') state.delete(event.key);
  };
  const observer = {
    contact: () => undefined,
    listed: () => undefined,
    emptied: (_: unknown, what: string, known: number) => void told.push(`${what} ${known}`),
    interrupted: (_: unknown, error?: ApiError) => void errors.push(error),
    skipped: (_: unknown, message: string) => void skipped.push(message),
  };
  const timing = {
    ...defaultTiming,
    silenceMs,
    random: () => 0.5,
    now: () => slept,
    sleep: async (ms: number) => {
      slept += ms;
      delays.push(ms);
    },
  };
  const done = new ResourceWatch(namespaces, server.client, emit, observer, timing, countBefore).run(stop.signal);
  cleanUps.push(async () => {
    stop.abort();
    await done;
    await server.close();
  });
  return { server, told, errors, skipped, delays, state };
}

function describeEvent(event: ResourceEvent): string {
  if (event.op === 'synced') return 'synced';
  return event.op === 'remove' ? `remove ${event.key}` : `upsert ${event.key} ${labelOf(event.value)}`;
}

function labelOf(value: ModelObject): string {
  return (value as Namespace).labels['v'] ?? '';
}

function namespace(name: string, version: number, label = String(version), uid = `uid-${name}`): object {
  return { metadata: { name, uid, resourceVersion: String(version), labels: { v: label } } };
}

function event(type: string, object: unknown): object {
  return { type, object };
}

describe('a resource watch', function () {
  this.timeout(180_000);
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  it('lists, says so, and watches from the version of the list', async () => {
    const { server, told } = await run([
      list('10', [namespace('a', 3), namespace('b', 9)]),
      stream([
        event('ADDED', namespace('c', 11)),
        event('DELETED', namespace('a', 12)),
        event('MODIFIED', namespace('b', 13)),
      ]),
    ]);
    await until(() => told.length === 6);
    assert.deepEqual(told, ['upsert a 3', 'upsert b 9', 'synced', 'upsert c 11', 'remove a', 'upsert b 13']);
    const { searchParams } = server.requests[1]!;
    assert.equal(searchParams.get('resourceVersion'), '10');
    assert.equal(searchParams.get('allowWatchBookmarks'), 'true');
    assert.equal(searchParams.get('timeoutSeconds'), '450');
  });

  it('tells nothing of a list before its last page', async () => {
    const { server, told } = await run([
      list('10', [namespace('a', 3)], 'token'),
      list('10', [namespace('b', 4)]),
      stream([]),
    ]);
    await until(() => server.requests.length === 3);
    assert.deepEqual(told, ['upsert a 3', 'upsert b 4', 'synced']);
    assert.equal(server.requests[1]!.searchParams.get('continue'), 'token');
  });

  it('lists without pages when the token of a page expires, and forgets the pages', async () => {
    const { server, told } = await run([
      list('10', [namespace('a', 3)], 'token'),
      json(410, gone),
      list('20', [namespace('b', 4)]),
      stream([]),
    ]);
    await until(() => server.requests.length === 4);
    assert.deepEqual(told, ['upsert b 4', 'synced']);
    assert.deepEqual([...server.requests[2]!.searchParams.keys()], []);
  });

  it('goes on from the last version when a stream ends, counting bookmarks', async () => {
    const { server, told } = await run([
      list('10', []),
      stream([event('ADDED', namespace('a', 11))], 'end'),
      stream([event('BOOKMARK', { metadata: { resourceVersion: '40' } })], 'end'),
      stream([]),
    ]);
    await until(() => server.requests.length === 4);
    assert.deepEqual(told, ['synced', 'upsert a 11']);
    assert.deepEqual(
      server.requests.slice(1).map((each) => each.searchParams.get('resourceVersion')),
      ['10', '11', '40'],
    );
  });

  it('loses nothing when a stream breaks inside a line', async () => {
    const line = JSON.stringify(event('ADDED', namespace('b', 12)));
    const { server, told, errors } = await run([
      list('10', []),
      stream([event('ADDED', namespace('a', 11))], { cut: line.slice(0, -1) }),
      stream([event('ADDED', namespace('b', 12))]),
    ]);
    await until(() => told.length === 3);
    assert.deepEqual(told, ['synced', 'upsert a 11', 'upsert b 12']);
    assert.equal(server.requests[2]!.searchParams.get('resourceVersion'), '11');
    assert.equal(errors[0]?.code, 'unreachable');
  });

  for (const [where, expiry] of [
    ['as a status', json(410, gone)],
    ['in the stream', stream([event('ERROR', gone)])],
    [
      'as a version this server does not reach',
      json(504, { code: 504, reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } }),
    ],
    ['as a bad request', json(400, { code: 400, message: 'invalid resource version' })],
  ] as const) {
    it(`lists again when the version is refused ${where}, and tells the difference`, async () => {
      const { server, told } = await run([
        list('10', [namespace('same', 1), namespace('changed', 2), namespace('gone', 3), namespace('replaced', 4)]),
        expiry,
        list('50', [
          namespace('same', 1),
          namespace('changed', 30),
          namespace('new', 31),
          namespace('replaced', 4, 'x', 'other'),
        ]),
        stream([]),
      ]);
      await until(() => server.requests.length === 4);
      assert.deepEqual(told.slice(5), ['remove gone', 'upsert changed 30', 'upsert new 31', 'upsert replaced x']);
      assert.equal(server.requests[3]!.searchParams.get('resourceVersion'), '50');
    });
  }

  describe('whose list comes back empty after there was something (S7.18)', () => {
    const known = [list('10', [namespace('a', 3), namespace('b', 4)]), json(410, gone)];
    const empties = (count: number): Answer[] =>
      Array.from({ length: count }, (_, index) => list(String(100 + index), []));
    const held = (count: number): string[] => Array.from({ length: count }, () => 'held 2');
    const first = ['upsert a 3', 'upsert b 4', 'synced'];

    it('keeps what is known, asks again, and believes it when the answer has stayed the same', async () => {
      const { server, told, delays } = await run([...known, ...empties(5), stream([])]);
      await until(() => server.requests.length === 8);
      assert.deepEqual(told, [...first, ...held(4), 'accepted 2', 'remove a', 'remove b']);
      assert.deepEqual(delays.slice(1), [7500, 7500, 7500, 7500]);
      assert.equal(server.requests[7]!.searchParams.get('resourceVersion'), '104');
    });

    it('goes on with what is back, and counts from the beginning the next time', async () => {
      const back = list('200', [namespace('a', 3)]);
      const { server, told } = await run([...known, ...empties(3), back, json(410, gone), ...empties(5), stream([])]);
      await until(() => server.requests.length === 13);
      const again = Array.from({ length: 4 }, () => 'held 1');
      assert.deepEqual(told, [...first, ...held(3), 'recovered 2', 'remove b', ...again, 'accepted 1', 'remove a']);
    });

    it('takes an error for no answer', async () => {
      const { server, told } = await run([...known, ...empties(1), json(500, {}), ...empties(4), stream([])]);
      await until(() => server.requests.length === 9);
      assert.deepEqual(told, [...first, ...held(4), 'accepted 2', 'remove a', 'remove b']);
    });

    describe('and is the first, where the node knew some before (S7.14)', () => {
      const before = async () => 3;
      const heldBefore = (count: number): string[] => Array.from({ length: count }, () => 'held 3');

      it('is not told before it has stayed the same', async () => {
        const { server, told, delays } = await run([...empties(5), stream([])], 5000, before);
        await until(() => server.requests.length === 6);
        assert.deepEqual(told, [...heldBefore(4), 'accepted 3', 'synced']);
        assert.deepEqual(delays, [7500, 7500, 7500, 7500]);
      });

      it('is forgotten when objects come', async () => {
        const { told } = await run([...empties(2), list('200', [namespace('a', 3)]), stream([])], 5000, before);
        await until(() => told.length === 5);
        assert.deepEqual(told, [...heldBefore(2), 'recovered 0', 'upsert a 3', 'synced']);
      });

      it('and once it is believed, it is as ever', async () => {
        const added = stream([
          event('ADDED', namespace('a', 106)),
          event('DELETED', namespace('a', 107)),
          event('ERROR', gone),
        ]);
        const { server, told } = await run([...empties(5), added, ...empties(1), stream([])], 5000, before);
        await until(() => server.requests.length === 8);
        assert.deepEqual(told, [...heldBefore(4), 'accepted 3', 'synced', 'upsert a 106', 'remove a']);
      });

      it('is not asked for where the first list holds something', async () => {
        const { told } = await run([list('10', [namespace('a', 3)]), stream([])], 5000, () =>
          Promise.reject(new Error()),
        );
        await until(() => told.length === 2);
        assert.deepEqual(told, ['upsert a 3', 'synced']);
      });
    });

    it('believes at once that there never was anything, and what a stream removes', async () => {
      const { server, told } = await run([
        ...empties(1),
        stream([event('ADDED', namespace('a', 106)), event('DELETED', namespace('a', 107)), event('ERROR', gone)]),
        ...empties(1),
        stream([]),
      ]);
      await until(() => server.requests.length === 4);
      assert.deepEqual(told, ['synced', 'upsert a 106', 'remove a']);
    });
  });

  it('tells a version once, and ignores the removal of an object that has been replaced', async () => {
    const { told } = await run([
      list('10', [namespace('a', 3)]),
      stream([
        event('ADDED', namespace('a', 3)),
        event('ADDED', namespace('a', 11, 'new', 'uid-2')),
        event('DELETED', namespace('a', 12)),
        event('DELETED', namespace('never', 13)),
        event('ADDED', namespace('end', 14)),
      ]),
    ]);
    await until(() => told.includes('upsert end 14'));
    assert.deepEqual(told, ['upsert a 3', 'synced', 'upsert a new', 'upsert end 14']);
  });

  it('backs off from errors, keeps the version, and starts over once a stream brings something', async () => {
    const { server, errors, delays, told } = await run([
      html(502),
      list('10', []),
      json(500, {}),
      json(403, { code: 403, message: 'no' }),
      json(429, {}),
      stream([event('ADDED', namespace('a', 11))], 'end'),
      stream([]),
    ]);
    await until(() => server.requests.length === 7);
    assert.deepEqual(told, ['synced', 'upsert a 11']);
    assert.deepEqual(
      errors.map((error) => error?.status),
      [502, 500, 403, 429, undefined],
    );
    assert.deepEqual(delays, [150, 300, 600, 1200, 150]);
    assert.equal(server.requests[5]!.searchParams.get('resourceVersion'), '10');
  });

  it('lists soon when its version has expired while the server was away', async () => {
    const { server, delays } = await run([
      list('10', []),
      json(500, {}),
      json(500, {}),
      json(410, gone),
      list('20', []),
      stream([]),
    ]);
    await until(() => server.requests.length === 6);
    assert.deepEqual(delays, [150, 300, 150]);
  });

  it('does not hammer a server that refuses the version of its own list', async () => {
    const refusal = [list('10', []), json(410, gone)];
    const { server, delays } = await run([...refusal, ...refusal, ...refusal]);
    await until(() => server.requests.length === 7);
    assert.deepEqual(delays, [150, 300, 600]);
  });

  it('gives up a stream that is silent', async () => {
    const { server, errors } = await run([list('10', []), stream([]), stream([])], 40);
    await until(() => server.requests.length >= 3);
    assert.equal(errors[0]?.code, 'silent');
    assert.equal(server.requests[2]!.searchParams.get('resourceVersion'), '10');
  });

  it('gives up a server that takes the request and never answers', async () => {
    const { server, errors } = await run([() => undefined, list('10', []), stream([])], 40);
    await until(() => server.requests.length >= 3);
    assert.equal(errors[0]?.code, 'silent');
  });

  for (const [what, answer] of [
    ['HTML with status 200', html(200)],
    ['JSON that is no list', json(200, { kind: 'APIVersions' })],
    ['a list without items', json(200, { metadata: { resourceVersion: '20' } })],
    ['a list without a version', json(200, { items: [] })],
    ['null', json(200, null)],
  ] as const) {
    it(`does not take ${what} for an empty cluster`, async () => {
      const { errors, told } = await run([
        list('10', [namespace('a', 3)]),
        json(410, gone),
        answer,
        list('20', [namespace('a', 3), namespace('b', 15)]),
        stream([]),
      ]);
      await until(() => told.length === 3);
      assert.deepEqual(told, ['upsert a 3', 'synced', 'upsert b 15']);
      assert.equal(errors[1]?.code, 'malformed');
    });
  }

  it('takes null for the items of an empty list, as Go writes it', async () => {
    const { told } = await run([json(200, { metadata: { resourceVersion: '20' }, items: null }), stream([])]);
    await until(() => told.length === 1);
    assert.deepEqual(told, ['synced']);
  });

  it('lists again after a line that is no event', async () => {
    const { told, errors } = await run([
      list('10', []),
      (response) => response.writeHead(200).end('<html>\n'),
      list('20', [namespace('a', 15)]),
      stream([]),
    ]);
    await until(() => told.length === 2);
    assert.equal(errors[0]?.code, 'malformed');
  });

  describe('that gets an internal error at its version', () => {
    const error = stream([
      { type: 'ERROR', object: { kind: 'Status', code: 500, message: 'unable to decode watch event' } },
    ]);
    const errors = (count: number): Answer[] => Array.from({ length: count }, () => error);
    const lists = (server: ScriptedServer): number =>
      server.requests.filter(({ searchParams }) => !searchParams.has('watch')).length;

    it('lists again after the fifth in a row', async () => {
      const { server, told } = await run([
        list('10', [namespace('a', 3)]),
        ...errors(5),
        list('20', [namespace('a', 3), namespace('b', 15)]),
        stream([]),
      ]);
      await until(() => server.requests.length === 8);
      assert.deepEqual(told, ['upsert a 3', 'synced', 'upsert b 15']);
      assert.equal(server.requests[7]!.searchParams.get('resourceVersion'), '20');
    });

    it('goes on from its version after fewer, with an event or an error of a proxy between', async () => {
      const event = stream([{ type: 'ADDED', object: namespace('b', 15) }], 'end');
      const { server } = await run([
        list('10', [namespace('a', 3)]),
        ...errors(4),
        event,
        ...errors(4),
        json(503, { code: 503, message: 'no API server' }),
        ...errors(4),
        stream([]),
      ]);
      await until(() => server.requests.length === 16);
      assert.equal(lists(server), 1);
    });
  });

  it('skips what is no object of its kind, says so, and goes on', async () => {
    const { told, skipped } = await run([
      list('10', [
        null,
        7,
        {},
        { metadata: { name: '' } },
        namespace('a', 3),
        { metadata: { name: 'p', namespace: 'x' } },
      ]),
      stream([
        event('ADDED', 'text'),
        event('MODIFIED', { metadata: { uid: 'u' } }),
        event('DELETED', null),
        event('SHRUNK', namespace('a', 12)),
        event('ADDED', namespace('b', 13)),
      ]),
    ]);
    await until(() => told.includes('upsert b 13'));
    assert.deepEqual(told, ['upsert a 3', 'synced', 'upsert b 13']);
    assert.equal(skipped.length, 9);
  });

  it('resolves when it is stopped, in a stream and in a list', async () => {
    const inStream = await run([list('10', []), stream([])]);
    await until(() => inStream.server.requests.length === 2);
    const inList = await run([]);
    await until(() => inList.server.requests.length === 1);
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
    assert.deepEqual([...inStream.errors, ...inList.errors], []);
  });
});
