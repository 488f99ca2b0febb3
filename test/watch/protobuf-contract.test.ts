import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'mocha';
import { clusterObjects } from '../../bench/cluster/objects.ts';
import { encodePod } from '../../bench/cluster/protobuf/pods.ts';
import { shapes } from '../../bench/cluster/shapes.ts';
import { protobufType } from '../../src/lib/protobuf/decode-object.ts';
import type { Pod, ResourceEvent } from '../../src/model/cluster.ts';
import {
  createApiClient,
  parseJson,
  readBytes,
  readJson,
  type ApiClient,
  type ApiReader,
} from '../../src/watch/api-client.ts';
import type { ApiError } from '../../src/watch/api-error.ts';
import { decodePod, readIdentity } from '../../src/watch/decode.ts';
import { splitFrames } from '../../src/watch/frames.ts';
import { splitLines } from '../../src/watch/json-lines.ts';
import { listAll } from '../../src/watch/list.ts';
import { decodeEvent, decodeList } from '../../src/watch/protobuf.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { getResponse } from '../../src/watch/response.ts';
import { ResourceWatch, defaultTiming } from '../../src/watch/watch.ts';
import { startKubeApiserver, type KubeApiserver } from './kube-apiserver.ts';
import { readRecordedPods, writeRecordedPods } from './recorded-pods.ts';
import { until } from './scripted-server.ts';

const resource = watchedResources.find((each) => each.resource === 'pods')!;
const shop = '/api/v1/namespaces/shop/pods';
const merge = 'application/merge-patch+json';
/** The server sends a bookmark about every minute. */
const bookmarkSeconds = 75;

interface RawEvent {
  readonly type: string;
  readonly object: { readonly metadata: { readonly resourceVersion?: string } };
}

/** What the agent reads of a pod. */
function readPod(raw: unknown): unknown {
  const identity = readIdentity(raw)!;
  return { identity, ...decodePod(raw, identity) };
}

/** What the agent reads of an event. */
function readEvent(raw: unknown): unknown {
  const { type, object } = raw as RawEvent;
  return type === 'BOOKMARK' ? { type, version: object.metadata.resourceVersion } : { type, pod: readPod(object) };
}

describe('the recorded answers of a real kube-apiserver', () => {
  it('mean the same in both forms', () => {
    const { list, events } = readRecordedPods();
    const { items, metadata } = decodeList(Buffer.from(list.protobuf, 'base64')) as {
      items: unknown[];
      metadata: object;
    };
    const expected = list.json as { items: unknown[]; metadata: { resourceVersion: string } };
    assert.deepEqual(metadata, { resourceVersion: expected.metadata.resourceVersion });
    assert.deepEqual(items.map(readPod), expected.items.map(readPod));
    assert.ok(items.length > 0 && events.length > 5);
    for (const { json, protobuf } of events) {
      assert.deepEqual(readEvent(decodeEvent(Buffer.from(protobuf, 'base64'))), readEvent(json));
    }
  });
});

const assets = process.env['KUBEBUILDER_ASSETS'];
if (assets) describeServer(assets);

function describeServer(folder: string): void {
  describe(`pods of kube-apiserver of ${folder}, in protobuf and in JSON`, function () {
    this.timeout(180_000);
    let server: KubeApiserver;
    let client: ApiClient;
    /** Two streams that last until the server has sent a bookmark. The other tests run meanwhile. */
    let streams: Promise<(string | Uint8Array)[][]>;
    const never = new AbortController().signal;
    const options = { signal: never, silenceMs: 120_000 };

    before(async () => {
      server = await startKubeApiserver(folder);
      client = createApiClient(server.config);
      await write('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
      streams = Promise.all([streamOf(true, '0', bookmarkSeconds), streamOf(false, '0', bookmarkSeconds)]);
    });
    after(() => server?.close());

    async function send(
      method: string,
      path: string,
      body: string | Uint8Array,
      type: string,
    ): Promise<[status: number, body: unknown]> {
      const { hostname, port } = new URL(server.config.getCurrentCluster()!.server);
      const target: https.RequestOptions = { hostname, port, path, method };
      await server.config.applyToHTTPSOptions(target);
      target.headers = { ...(target.headers as OutgoingHttpHeaders), 'content-type': type, accept: 'application/json' };
      const request = https.request(target).end(body);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return [response.statusCode!, await readJson(response)];
    }

    async function write(method: string, path: string, body: object = {}, type = 'application/json'): Promise<unknown> {
      const [status, answer] = await send(method, path, JSON.stringify(body), type);
      assert.ok(status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
      return answer;
    }

    /** Requires that pods come in the given form. */
    function requiring(protobuf: boolean): ApiReader {
      return {
        async get(path, { onHeaders, ...rest }) {
          let type = '';
          const seen = {
            ...rest,
            onHeaders: (headers: IncomingMessage['headers']) => {
              type = headers['content-type']!;
              onHeaders?.(headers);
            },
          };
          const body = await client.get(path, seen);
          assert.equal(type.startsWith(protobufType), protobuf, type);
          return body;
        },
      };
    }

    interface Told {
      readonly events: ResourceEvent[];
      readonly errors: (ApiError | undefined)[];
      stop(): Promise<void>;
    }

    async function watchAs(protobuf: boolean): Promise<Told> {
      const [events, errors]: [ResourceEvent[], (ApiError | undefined)[]] = [[], []];
      const stop = new AbortController();
      const observer = {
        contact() {},
        listed() {},
        emptied() {},
        skipped: (_: unknown, message: string) => assert.fail(message),
        interrupted: (_: unknown, error?: ApiError) => void errors.push(error),
      };
      const watched = { ...resource, protobuf };
      const take = (event: ResourceEvent): void => void events.push(event);
      const done = new ResourceWatch(watched, requiring(protobuf), take, observer, defaultTiming).run(stop.signal);
      await until(() => events.some(({ op }) => op === 'synced'));
      return {
        events,
        errors,
        async stop() {
          stop.abort();
          await done;
        },
      };
    }

    /** The life of three pods: ordinary, with a sidecar, static; the last write is a deletion. */
    async function tellStory(): Promise<void> {
      const ports = [
        { name: 'http', containerPort: 8080 },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
      ];
      const containers = [{ name: 'main', image: 'i', ports, env: [{ name: 'A', value: 'b' }] }];
      const sidecar = {
        name: 'side',
        image: 'i',
        restartPolicy: 'Always',
        ports: [{ name: 'admin', containerPort: 9901 }],
      };
      const once = { name: 'once', image: 'i', ports: [{ name: 'never', containerPort: 1 }] };
      const mirror = { 'kubernetes.io/config.mirror': 'hash', 'kubernetes.io/config.source': 'file' };
      await write('POST', shop, { metadata: { name: 'web', labels: { app: 'web', empty: '' } }, spec: { containers } });
      await write('POST', shop, {
        metadata: { name: 'side', generateName: 's-' },
        spec: { containers, initContainers: [once, sidecar] },
      });
      await write('POST', shop, {
        metadata: { name: 'static', annotations: mirror },
        spec: { containers, hostNetwork: true, nodeName: 'n1' },
      });
      await write('POST', `${shop}/web/binding`, { metadata: { name: 'web' }, target: { kind: 'Node', name: 'n1' } });
      const status = { phase: 'Running', podIP: '10.1.0.7', podIPs: [{ ip: '10.1.0.7' }, { ip: 'fd00::7' }] };
      await write('PATCH', `${shop}/web/status`, { status }, merge);
      await write('PATCH', `${shop}/web`, { metadata: { labels: { app: 'db', tier: 'x' } } }, merge);
      await write('PATCH', `${shop}/side/status`, { status: { phase: 'Failed' } }, merge);
      await write('DELETE', `${shop}/web?gracePeriodSeconds=30`);
      await write('DELETE', `${shop}/web?gracePeriodSeconds=0`);
      await write('DELETE', `${shop}/static?gracePeriodSeconds=0`);
    }

    it('tell the same events', async () => {
      const [protobuf, json] = await Promise.all([watchAs(true), watchAs(false)]);
      const versionBefore = ((await readJson(await client.get(shop, { ...options, query: {} }))) as RawEvent['object'])
        .metadata.resourceVersion!;
      await tellStory();
      for (const { events } of [protobuf, json]) {
        await until(() => events.some((event) => event.op === 'remove' && event.key === 'shop/static'));
      }
      assert.deepEqual(protobuf.events, json.events);
      const pods = json.events.flatMap((event) => (event.op === 'upsert' ? [event.value as Pod] : []));
      assert.ok(pods.some(({ terminating }) => terminating));
      assert.ok(pods.some(({ terminal }) => terminal));
      assert.ok(pods.some(({ mirrorOf }) => mirrorOf === 'hash'));
      assert.ok(pods.some(({ addresses }) => addresses.join() === '10.1.0.7,fd00::7'));
      assert.ok(pods.some(({ ports }) => ports.some(({ name }) => name === 'admin')));
      await Promise.all([protobuf.stop(), json.stop()]);
      assert.deepEqual([...protobuf.errors, ...json.errors], []);
      if (process.env['UPDATE_RECORDED'] === '1') await record(versionBefore);
    });

    async function bytesOf(protobuf: boolean, query: Record<string, string>): Promise<AsyncIterable<Uint8Array>> {
      const { body, isProtobuf } = await getResponse(client, shop, { ...options, query }, protobuf);
      assert.equal(isProtobuf, protobuf);
      return body;
    }

    /** The events of a watch that ends by itself. */
    async function streamOf(
      protobuf: boolean,
      resourceVersion: string,
      timeoutSeconds: number,
    ): Promise<(string | Uint8Array)[]> {
      const query = {
        watch: '1',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
      };
      const body = await bytesOf(protobuf, query);
      const parts: (string | Uint8Array)[] = [];
      for await (const part of protobuf ? splitFrames(body) : splitLines(body)) parts.push(part);
      return parts;
    }

    async function record(version: string): Promise<void> {
      const list = {
        json: await readJson(await bytesOf(false, { limit: '1' })),
        protobuf: (await readBytes(await bytesOf(true, { limit: '1' }))).toString('base64'),
      };
      const [frames, lines] = await Promise.all([streamOf(true, version, 3), streamOf(false, version, 3)]);
      const events = lines.map((line, index) => {
        return {
          json: parseJson(line as string),
          protobuf: Buffer.from(frames[index] as Uint8Array).toString('base64'),
        };
      });
      writeRecordedPods({ list, events });
    }

    it('have the same pages', async () => {
      const names = Array.from({ length: 1001 }, (_, index) => `many-${index}`);
      const labels = { app: 'many' };
      const spec = { containers: [{ name: 'main', image: 'i', ports: [{ name: 'http', containerPort: 8080 }] }] };
      for (let start = 0; start < names.length; start += 50) {
        const some = names.slice(start, start + 50);
        await Promise.all(some.map((name) => write('POST', shop, { metadata: { name, labels }, spec })));
      }
      const read = async (protobuf: boolean): Promise<unknown[][]> => {
        const pages: unknown[][] = [];
        await listAll(requiring(protobuf), resource.path, { ...options, protobuf }, (items) =>
          pages.push(items.map(readPod)),
        );
        return pages;
      };
      const pages = await read(true);
      assert.ok(pages.length >= 3);
      assert.deepEqual(pages, await read(false));
    });

    for (const [what, query] of [
      ['a version that is too old', { watch: '1', resourceVersion: '1' }],
      ['a version that is none', { watch: '1', resourceVersion: 'x' }],
      ['a version of the future', { resourceVersion: '999999999', resourceVersionMatch: 'NotOlderThan', limit: '1' }],
      ['a token of another page', { limit: '1', continue: 'x' }],
    ] as const) {
      it(`refuse ${what} alike`, async () => {
        const refusal = async (protobuf: boolean): Promise<ApiError> => {
          const stop = new AbortController();
          const errors: ApiError[] = [];
          const observer = {
            contact() {},
            listed() {},
            emptied() {},
            skipped() {},
            interrupted: (_: unknown, error?: ApiError) => {
              if (error) errors.push(error);
              stop.abort();
            },
          };
          // A server refuses a version in its answer, or in the stream.
          const reader: ApiReader = {
            get: (path, rest) =>
              client.get(path, 'watch' in query === 'watch' in rest.query ? { ...rest, query } : rest),
          };
          await new ResourceWatch({ ...resource, protobuf }, reader, () => {}, observer, defaultTiming).run(
            stop.signal,
          );
          return errors[0]!;
        };
        const [inProtobuf, inJson] = [await refusal(true), await refusal(false)];
        const read = ({ code, status, message }: ApiError): unknown => ({
          code,
          status,
          message: message.replace(/\d+/g, 'N'),
        });
        assert.deepEqual(read(inProtobuf), read(inJson));
        assert.notEqual(inProtobuf.message, `status ${inProtobuf.status}`);
        if (what === 'a version that is too old') assert.equal(inProtobuf.code, 'expired');
      });
    }

    it('have the same bookmarks', async () => {
      const [frames = [], lines = []] = await streams;
      const events = [
        frames.map((frame) => decodeEvent(frame as Uint8Array)),
        lines.map((line) => parseJson(line as string)),
      ];
      const [protobuf, json] = events.map((each) =>
        each.map(readEvent).filter((event) => (event as RawEvent).type === 'BOOKMARK'),
      );
      assert.ok(json!.length > 0);
      assert.deepEqual(protobuf, json);
    });

    /** The tests and the bench rely on the encoder. */
    it('mean to the server what the encoder of the bench writes', async () => {
      const pod = clusterObjects(shapes.small).find((each) => (each as { kind: string }).kind === 'Pod') as {
        metadata: { name: string; generateName: string; labels: object; ownerReferences: object[] };
        spec: object;
        status: object;
      };
      const { name, generateName, labels, ownerReferences } = pod.metadata;
      const created = { metadata: { name, generateName, labels, ownerReferences, namespace: 'shop' }, spec: pod.spec };
      const dryRun = `${shop}?dryRun=All`;
      const answers = [
        await send('POST', dryRun, encodePod(created), protobufType),
        await send('POST', dryRun, JSON.stringify(created), 'application/json'),
      ];
      const read = ([code, body]: [number, unknown]): unknown => {
        const { metadata, spec, status } = body as {
          metadata: Record<string, unknown>;
          spec: unknown;
          status: unknown;
        };
        return {
          code,
          labels: metadata['labels'],
          owners: metadata['ownerReferences'],
          generateName: metadata['generateName'],
          spec,
          status,
        };
      };
      assert.equal(answers[0]![0], 201, JSON.stringify(answers[0]![1]));
      assert.deepEqual(read(answers[0]!), read(answers[1]!));

      const stored = (await write('POST', shop, created)) as { metadata: object };
      const [status, updated] = await send(
        'PUT',
        `${shop}/${name}/status`,
        encodePod({ ...created, metadata: { name, namespace: 'shop' }, status: pod.status }),
        protobufType,
      );
      assert.equal(status, 200, JSON.stringify([stored, updated]));
      const { phase, podIPs, conditions, hostIP } = (updated as { status: Record<string, unknown> }).status;
      const wanted = pod.status as Record<string, unknown>;
      assert.deepEqual(
        { phase, podIPs, hostIP },
        { phase: wanted['phase'], podIPs: wanted['podIPs'], hostIP: wanted['hostIP'] },
      );
      assert.equal((conditions as object[]).length, (wanted['conditions'] as object[]).length);
    });
  });
}
