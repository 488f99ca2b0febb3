import assert from 'node:assert/strict';
import fc from 'fast-check';
import { afterEach, describe, it } from 'mocha';
import { encodeEvent, encodePod, encodePodList, encodeStatus, frame } from '../../bench/cluster/protobuf/pods.ts';
import { protobufType } from '../../src/lib/protobuf/decode-object.ts';
import type { Pod, ResourceEvent } from '../../src/model/cluster.ts';
import type { ApiReader } from '../../src/watch/api-client.ts';
import { ApiError } from '../../src/watch/api-error.ts';
import { listAll } from '../../src/watch/list.ts';
import { decodeEvent, decodeList, decodeStatus } from '../../src/watch/protobuf.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { ResourceWatch, defaultTiming } from '../../src/watch/watch.ts';
import { runs } from '../support/runs.ts';
import { randomPods } from './random-pods.ts';
import {
  gone,
  json,
  list,
  startScriptedServer,
  stream,
  until,
  type Answer,
  type ScriptedServer,
} from './scripted-server.ts';

const pods = watchedResources.find(({ resource }) => resource === 'pods')!;
const silent = { contact() {}, listed() {}, emptied() {} };

interface Event {
  readonly type: string;
  readonly object: object;
}

interface Listed {
  readonly metadata: object;
  readonly items: readonly object[];
}

/** An API server that answers one list and one watch in the given form, in chunks of the given size, and then ends the test. */
function serving(
  form: 'json' | 'protobuf',
  listed: Listed,
  events: readonly Event[],
  chunk: number,
  end: () => void,
): ApiReader {
  const answers = {
    json: [JSON.stringify(listed), events.map((event) => `${JSON.stringify(event)}\n`).join('')].map((each) =>
      Buffer.from(each),
    ),
    protobuf: [encodePodList(listed), Buffer.concat(events.map(({ type, object }) => encodeEvent(type, object)))],
  }[form];
  let asked = 0;
  return {
    async get(_, { accept, onHeaders }) {
      assert.equal(accept, `${protobufType}, application/json`);
      onHeaders?.({ 'content-type': form === 'json' ? 'application/json' : `${protobufType};stream=watch` });
      const bytes = answers[asked++];
      if (bytes === undefined) end();
      return cut(bytes ?? Buffer.alloc(0), chunk);
    },
  };
}

async function* cut(bytes: Uint8Array, chunk: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += chunk) yield bytes.subarray(start, start + chunk);
}

/** All that a watch tells of a list and a stream. */
async function tell(
  form: 'json' | 'protobuf',
  listed: Listed,
  events: readonly Event[],
  chunk: number,
): Promise<unknown[]> {
  const told: unknown[] = [];
  const stop = new AbortController();
  const client = serving(form, listed, events, chunk, () => stop.abort());
  const observer = {
    ...silent,
    interrupted: (_: unknown, error?: ApiError) =>
      void told.push({ error: error?.message, code: error?.code, status: error?.status }),
    skipped: (_: unknown, message: string) => void told.push({ skipped: message }),
  };
  const timing = { ...defaultTiming, sleep: async () => undefined };
  await new ResourceWatch(pods, client, (event) => void told.push(event), observer, timing).run(stop.signal);
  return told;
}

describe('a list and a watch of pods in protobuf', () => {
  it('tell exactly what they tell in JSON', async () => {
    const event = fc.record({
      type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'SHRUNK'),
      object: randomPods,
    });
    let told = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(randomPods),
        fc.array(event),
        fc.integer({ min: 1, max: 4096 }),
        async (items, events, chunk) => {
          const listed = { metadata: { resourceVersion: '7' }, items };
          const expected = await tell('json', listed, events, chunk);
          assert.deepEqual(await tell('protobuf', listed, events, chunk), expected);
          told += expected.length;
        },
      ),
      { numRuns: runs(300) },
    );
    assert.ok(told > 300, String(told));
  });

  it('tell what the odd pod is', async () => {
    const object = {
      metadata: {
        name: 'web',
        namespace: 'shop',
        uid: 'u',
        resourceVersion: '8',
        generation: 2,
        deletionTimestamp: '2026-05-04T09:15:30Z',
        labels: { app: 'web', empty: '', ['__proto__']: 'x' },
        annotations: { other: 'x', 'kubernetes.io/config.mirror': 'hash' },
      },
      spec: {
        nodeName: 'n1',
        hostNetwork: true,
        containers: [{ ports: [{ name: 'http', containerPort: 8080, protocol: 'UDP' }] }],
        initContainers: [
          { ports: [{ name: 'once', containerPort: 1 }] },
          { ports: [{ name: 'side', containerPort: 2 }], restartPolicy: 'Always' },
        ],
      },
      status: { phase: 'Succeeded', podIPs: [{ ip: '10.1.0.7' }, { ip: 'fd00::7' }] },
    };
    const told = await tell(
      'protobuf',
      { metadata: { resourceVersion: '7' }, items: [] },
      [{ type: 'ADDED', object }],
      5,
    );
    const upsert = told[1] as Extract<ResourceEvent, { op: 'upsert' }>;
    assert.deepEqual([upsert.key, upsert.uid, upsert.resourceVersion, upsert.generation], ['shop/web', 'u', '8', 2]);
    const expected: Pod = {
      kind: 'Pod',
      namespace: 'shop',
      name: 'web',
      uid: 'u',
      labels: { app: 'web', empty: '', ['__proto__']: 'x' },
      nodeName: 'n1',
      hostNetwork: true,
      terminal: true,
      terminating: true,
      addresses: ['10.1.0.7', 'fd00::7'],
      ports: [
        { name: 'http', protocol: 'UDP', port: 8080 },
        { name: 'side', protocol: 'TCP', port: 2 },
      ],
      mirrorOf: 'hash',
    };
    assert.deepEqual(upsert.value, expected);
  });

  it('tell an error of the stream as in JSON', async () => {
    const listed = { metadata: { resourceVersion: '7' }, items: [] };
    const events = [{ type: 'ERROR', object: gone }];
    assert.deepEqual(await tell('protobuf', listed, events, 9), await tell('json', listed, events, 9));
    const [, error] = await tell('protobuf', listed, events, 9);
    assert.deepEqual(error, { error: gone.message, code: 'expired', status: 410 });
  });
});

/** Bytes with some of them changed, removed or added. */
function mutate(
  bytes: Uint8Array,
  changes: readonly (readonly [at: number, remove: number, add: Uint8Array])[],
): Uint8Array {
  let mutated = Buffer.from(bytes);
  for (const [at, remove, add] of changes) {
    const start = at % (mutated.length + 1);
    mutated = Buffer.concat([mutated.subarray(0, start), add, mutated.subarray(start + remove)]);
  }
  return mutated;
}

describe('broken protobuf', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(4), fc.uint8Array({ maxLength: 4 })), {
    minLength: 1,
    maxLength: 6,
  });
  const decoders = [
    ['a list', decodeList, (pod: object) => encodePodList({ metadata: { resourceVersion: '7' }, items: [pod, pod] })],
    ['an event', decodeEvent, (pod: object) => encodeEvent('ADDED', pod).subarray(4)],
    [
      'a Status',
      decodeStatus,
      () => encodeStatus({ code: 410, reason: 'Expired', details: { causes: [{ reason: 'x' }] } }),
    ],
  ] as const;

  for (const [what, decode, encode] of decoders) {
    it(`in ${what} is decoded, or is one error`, () => {
      let broken = 0;
      fc.assert(
        fc.property(randomPods, changes, (pod, changed) => {
          try {
            decode(mutate(encode(pod), changed));
          } catch (error) {
            assert.ok(error instanceof ApiError && error.code === 'malformed', String(error));
            broken++;
          }
        }),
        { numRuns: runs(3000) },
      );
      assert.ok(broken > 0);
    });

    it(`of any bytes in ${what} is one error`, () => {
      const isRefused = (error: unknown): boolean => error instanceof ApiError && error.code === 'malformed';
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
          assert.throws(() => decode(Buffer.concat([Buffer.from([7]), bytes])), isRefused);
        }),
      );
      // Groups nest without a limit.
      assert.throws(() => decode(Buffer.alloc(1 << 20, 0x0b)), isRefused);
      assert.throws(() => decode(Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(1 << 20, 0x0b)])), isRefused);
    });
  }

  const pod = { metadata: { name: 'a', namespace: 'shop', resourceVersion: '1' } };
  const listed = encodePodList({ metadata: { resourceVersion: '7' }, items: [pod] });
  for (const [what, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['one pod', encodePod({ metadata: { resourceVersion: '7' } })],
    ['a Status', encodeStatus({ code: 200 })],
    ['JSON', Buffer.from('{"metadata":{"resourceVersion":"7"},"items":[]}')],
    ['a list without its end', listed.subarray(0, -1)],
    ['a list without a version', encodePodList({ metadata: {}, items: [] })],
  ] as const) {
    it(`${what} is no list of pods`, async () => {
      const client: ApiReader = {
        async get(_, { onHeaders }) {
          onHeaders?.({ 'content-type': protobufType });
          return cut(bytes, 9);
        },
      };
      const options = { signal: new AbortController().signal, silenceMs: 1, protobuf: true };
      await assert.rejects(
        listAll(client, pods.path, options, () => assert.fail('a page')),
        (error) => error instanceof ApiError && error.code === 'malformed',
      );
    });
  }
});

describe('the form of a list and of a watch', function () {
  this.timeout(180_000);
  const cleanUps: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  interface Run {
    readonly server: ScriptedServer;
    readonly told: readonly string[];
    readonly errors: readonly (ApiError | undefined)[];
  }

  async function run(script: readonly Answer[], resource = pods): Promise<Run> {
    const server = await startScriptedServer(script);
    const stop = new AbortController();
    const [told, errors]: [string[], (ApiError | undefined)[]] = [[], []];
    const emit = (event: ResourceEvent): void =>
      void told.push(event.op === 'synced' ? event.op : `${event.op} ${event.key}`);
    const observer = {
      ...silent,
      interrupted: (_: unknown, error?: ApiError) => void errors.push(error),
      skipped: () => assert.fail('skipped'),
    };
    const timing = { ...defaultTiming, sleep: async () => undefined };
    const done = new ResourceWatch(resource, server.client, emit, observer, timing).run(stop.signal);
    cleanUps.push(async () => {
      stop.abort();
      await done;
      await server.close();
    });
    return { server, told, errors };
  }

  const named = (name: string, version: string): object => {
    return { kind: 'Pod', metadata: { name, namespace: 'shop', uid: name, resourceVersion: version } };
  };
  const protobuf = (status: number, body: Uint8Array, type: string = protobufType): Answer => {
    return (response) => response.writeHead(status, { 'content-type': type }).end(body);
  };
  const listed = (version: string, ...items: object[]): Answer =>
    protobuf(200, encodePodList({ metadata: { resourceVersion: version }, items }));
  const streamed = (...frames: Uint8Array[]): Answer => {
    return protobuf(200, Buffer.concat(frames), `${protobufType};stream=watch`);
  };
  const either = `${protobufType}, application/json`;
  const jsonOnly = 'application/json';

  it('is the form of each answer', async () => {
    const { server, told, errors } = await run([
      listed('10', named('a', '3')),
      stream([{ type: 'ADDED', object: named('b', '11') }], 'end'),
      streamed(
        encodeEvent('ADDED', named('c', '12')),
        encodeEvent('BOOKMARK', { metadata: { resourceVersion: '40' } }),
      ),
      json(410, gone),
      list('50', [named('a', '3'), named('b', '11')]),
      stream([]),
    ]);
    await until(() => server.requests.length === 6);
    assert.deepEqual(told, ['upsert shop/a', 'synced', 'upsert shop/b', 'upsert shop/c', 'remove shop/c']);
    assert.deepEqual(
      server.requests.map(({ searchParams }) => searchParams.get('resourceVersion')),
      [null, '10', '11', '40', null, '50'],
    );
    assert.deepEqual(
      server.accepted,
      Array.from({ length: 6 }, () => either),
    );
    assert.deepEqual(
      errors.map((error) => error?.code),
      [undefined, undefined, 'expired'],
    );
  });

  it('is JSON for all other resources', async () => {
    for (const resource of watchedResources.filter((each) => each !== pods)) {
      const { server } = await run([list('10', []), stream([])], resource);
      await until(() => server.requests.length === 2);
      assert.deepEqual(server.accepted, [jsonOnly, jsonOnly]);
    }
  });

  it('is whatever form a page has', async () => {
    const page = encodePodList({ metadata: { resourceVersion: '10', continue: 'next' }, items: [named('a', '3')] });
    const { server, told } = await run([
      protobuf(200, page),
      list('10', [named('b', '4')], 'last'),
      listed('10', named('c', '5')),
      stream([]),
    ]);
    await until(() => server.requests.length === 4);
    assert.deepEqual(told, ['upsert shop/a', 'upsert shop/b', 'upsert shop/c', 'synced']);
    assert.deepEqual(
      server.requests.map(({ searchParams }) => searchParams.get('continue')),
      [null, 'next', 'last', null],
    );
  });

  it('of a refusal is protobuf too', async () => {
    const tooLarge = {
      code: 504,
      reason: 'Timeout',
      message: 'too large',
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
    };
    const forbidden = { code: 403, reason: 'Forbidden', message: 'pods is forbidden' };
    const { server, errors } = await run([
      protobuf(403, encodeStatus(forbidden)),
      listed('10'),
      protobuf(410, encodeStatus(gone)),
      listed('20'),
      protobuf(504, encodeStatus(tooLarge)),
      listed('30'),
      protobuf(500, Buffer.from('k8s\0broken')),
      stream([]),
    ]);
    await until(() => server.requests.length === 8);
    assert.deepEqual(
      errors.map((error) => [error!.code, error!.status, error!.message]),
      [
        ['refused', 403, 'pods is forbidden'],
        ['expired', 410, gone.message],
        ['expired', 504, 'too large'],
        ['refused', 500, 'status 500'],
      ],
    );
    assert.deepEqual(new Set(server.accepted), new Set([either]));
  });

  const group = frame(Buffer.from([0x0b, 0x0c]));
  const otherKind = Buffer.from(encodeEvent('ADDED', named('x', '9')))
    .toString('latin1')
    .replace('Pod', 'Cod');
  for (const [what, broken, code] of [
    ['a list that is broken', protobuf(200, Buffer.from('k8s\0broken')), 'malformed'],
    ['a page that is a pod', protobuf(200, encodePod(named('x', '9'))), 'malformed'],
    ['406', json(406, { code: 406, message: 'not acceptable' }), 'refused'],
    ['415', json(415, { code: 415, message: 'not supported' }), 'refused'],
  ] as const) {
    it(`falls back to JSON after ${what}, and reports it once`, async () => {
      const { server, told, errors } = await run([
        broken,
        list('20', [named('a', '3')]),
        json(410, gone),
        list('30', [named('a', '3')]),
        stream([]),
      ]);
      await until(() => server.requests.length === 5);
      assert.deepEqual(told, ['upsert shop/a', 'synced']);
      assert.deepEqual(server.accepted, [either, jsonOnly, jsonOnly, jsonOnly, jsonOnly]);
      assert.deepEqual([errors.length, errors[0]!.code], [2, code]);
      assert.match(errors[0]!.message, /; the watch reads JSON from now on$/);
      assert.doesNotMatch(errors[1]!.message, /JSON/);
    });
  }

  for (const [what, broken] of [
    ['invalid', group],
    ['too long', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0])],
    ['without a type', frame(Buffer.alloc(0))],
    ['of another kind', Buffer.from(otherKind, 'latin1')],
  ] as const) {
    it(`falls back to JSON after a frame that is ${what}, and loses nothing`, async () => {
      const { server, told, errors } = await run([
        listed('10', named('a', '3')),
        streamed(encodeEvent('ADDED', named('b', '11')), broken, encodeEvent('DELETED', named('a', '12'))),
        list('20', [named('a', '3'), named('b', '11'), named('c', '15')]),
        stream([]),
      ]);
      await until(() => server.requests.length === 4);
      assert.deepEqual(told, ['upsert shop/a', 'synced', 'upsert shop/b', 'upsert shop/c']);
      assert.equal(errors[0]!.code, 'malformed');
    });
  }

  it('stays protobuf after HTML, which comes from something before the API server', async () => {
    const html: Answer = (response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>busy</html>');
    const { server } = await run([html, listed('10'), stream([])]);
    await until(() => server.requests.length === 3);
    assert.deepEqual(server.accepted, [either, either, either]);
  });

  it('loses nothing if a stream breaks inside a frame', async () => {
    const whole = encodeEvent('ADDED', named('b', '12'));
    const { server, told, errors } = await run([
      listed('10'),
      (response) => {
        response.writeHead(200, { 'content-type': `${protobufType};stream=watch` });
        const bytes = Buffer.concat([encodeEvent('ADDED', named('a', '11')), whole.subarray(0, -1)]);
        response.write(bytes, () => response.destroy());
      },
      streamed(whole),
    ]);
    await until(() => told.length === 3);
    assert.deepEqual(told, ['synced', 'upsert shop/a', 'upsert shop/b']);
    assert.equal(server.requests[2]!.searchParams.get('resourceVersion'), '11');
    assert.deepEqual([errors[0]!.code, server.accepted[2]], ['unreachable', either]);
  });
});
