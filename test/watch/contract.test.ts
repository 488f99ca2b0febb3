import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import https from 'node:https';
import http from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { after, afterEach, before, describe, it } from 'mocha';
import { startApiServer } from '../../src/lab/api/server.ts';
import { Store } from '../../src/lab/api/store.ts';
import { ObjectDigest } from '../../src/lib/object-digest.ts';
import type { Pod, ResourceEvent, ResourceName } from '../../src/model/cluster.ts';
import { createApiClient, readJson, type ApiClient, type ApiReader } from '../../src/watch/api-client.ts';
import { ApiError } from '../../src/watch/api-error.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { ResourceWatch, defaultTiming, type WatchObserver } from '../../src/watch/watch.ts';
import { startKubeApiserver } from './kube-apiserver.ts';
import { until } from './scripted-server.ts';

interface Api {
  readonly config: KubeConfig;
  /** Of the lab's server only. */
  readonly store?: Store;
  close(): Promise<void>;
}

async function startLabApi(): Promise<Api> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  const store = new Store();
  const socketPath = join(folder, 'api.sock');
  const server = await startApiServer({ store, socketPath, tcp: { host: '127.0.0.1', port: 0 }, bookmarkInterval: 20 });
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'lab', server: server.url!, skipTLSVerify: false }, { name: 'lab' });
  const close = async (): Promise<void> => {
    await server.close();
    await rm(folder, { recursive: true });
  };
  return { config, store, close };
}

const assets = process.env['KUBEBUILDER_ASSETS'];
const servers: readonly [string, () => Promise<Api>][] = [
  ["the lab's API server", startLabApi],
  ...(assets ? [[`kube-apiserver of ${assets}`, () => startKubeApiserver(assets)] as const] : []),
].map(([name, start]) => [name as string, start as () => Promise<Api>]);

/** All events of all resources, and the versions that they leave known. */
class Told {
  readonly events: ResourceEvent[] = [];
  readonly versions = new Map<string, string>();
  readonly repeated: string[] = [];

  take(event: ResourceEvent): void {
    this.events.push(event);
    if (event.op === 'synced') return;
    const key = `${event.resource} ${event.key}`;
    if (event.op === 'remove') {
      if (!this.versions.delete(key)) this.repeated.push(`remove ${key}`);
      return;
    }
    const version = `${event.uid}/${event.resourceVersion}`;
    if (this.versions.get(key) === version) this.repeated.push(`upsert ${key}`);
    this.versions.set(key, version);
  }

  digest(resource: ResourceName): string {
    const digest = new ObjectDigest();
    for (const [key, version] of this.versions) {
      const [uid, resourceVersion] = version.split('/') as [string, string];
      if (key.startsWith(`${resource} `)) digest.add(uid, resourceVersion);
    }
    return digest.toString();
  }
}

const silent: WatchObserver = {
  contact: () => {},
  listed: () => {},
  emptied: () => {},
  interrupted: () => {},
  skipped: () => {},
};

/** Breaks streams: every third chunk in its middle, and every other time as if the version had expired. */
function breaking(client: ApiReader): ApiReader {
  let chunks = 0;
  async function* cut(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      if (++chunks % 3 !== 0) yield chunk;
      else {
        yield chunk.subarray(0, chunk.length / 2);
        throw new ApiError(chunks % 2 === 0 ? 'unreachable' : 'expired', 'broken by the test');
      }
    }
  }
  return {
    async get(path, options) {
      const body = await client.get(path, options);
      return options.query['watch'] ? cut(body) : body;
    },
  };
}

for (const [name, startServer] of servers) {
  describe(`watching ${name}`, function () {
    this.timeout(120_000);
    let api: Api;
    let client: ApiClient;
    const running: { stop: AbortController; done: Promise<unknown> }[] = [];

    before(async () => {
      api = await startServer();
      client = createApiClient(api.config);
      await write('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
    });
    afterEach(async () => {
      for (const { stop, done } of running.splice(0)) {
        stop.abort();
        await done;
      }
    });
    after(() => api?.close());

    async function write(method: string, path: string, body?: object, type = 'application/json'): Promise<number> {
      const { server } = api.config.getCurrentCluster()!;
      const { protocol, hostname, port } = new URL(server);
      const options: https.RequestOptions = { hostname, port, path, method };
      if (protocol === 'https:') await api.config.applyToHTTPSOptions(options);
      options.headers = { ...(options.headers as http.OutgoingHttpHeaders | undefined), 'content-type': type };
      const request = (protocol === 'https:' ? https : http).request(options).end(body && JSON.stringify(body));
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      const text = Buffer.concat(await response.toArray()).toString();
      assert.ok(response.statusCode! < 300, `${method} ${path}: ${text}`);
      return response.statusCode!;
    }

    function watchAll(options: { client?: ApiReader; observer?: WatchObserver } = {}): Told {
      const told = new Told();
      const stop = new AbortController();
      const take = (event: ResourceEvent): void => told.take(event);
      const timing = { ...defaultTiming, backoff: { firstMs: 1, maxMs: 20 } };
      const watches = watchedResources.map(
        (resource) => new ResourceWatch(resource, options.client ?? client, take, options.observer ?? silent, timing),
      );
      running.push({ stop, done: Promise.all(watches.map((watch) => watch.run(stop.signal))) });
      return told;
    }

    /** What the told versions must equal once all is told. */
    async function listDigest(resource: ResourceName): Promise<string> {
      const { path } = watchedResources.find((each) => each.resource === resource)!;
      const options = { query: {}, signal: AbortSignal.timeout(10_000), silenceMs: 10_000 };
      const { items } = (await readJson(await client.get(path, options))) as {
        items: readonly { metadata: { uid: string; resourceVersion: string } }[];
      };
      const digest = new ObjectDigest();
      for (const { metadata } of items) digest.add(metadata.uid, metadata.resourceVersion);
      return digest.toString();
    }

    async function untilEqual(told: Told): Promise<void> {
      for (const { resource } of watchedResources) {
        const expected = await listDigest(resource);
        await until(() => told.digest(resource) === expected);
      }
    }

    function pod(podName: string, labels: Record<string, string> = {}): object {
      const ports = [{ name: 'http', containerPort: 8080 }];
      return { metadata: { name: podName, labels }, spec: { containers: [{ name: 'c', image: 'i', ports }] } };
    }

    it('tells every resource once and then that it is in sync', async () => {
      const told = watchAll();
      await until(() => told.events.filter(({ op }) => op === 'synced').length === watchedResources.length);
      await untilEqual(told);
      assert.deepEqual(told.repeated, []);
    });

    it('follows a pod from its creation to its end', async () => {
      const told = watchAll();
      await until(() => told.events.filter(({ op }) => op === 'synced').length === watchedResources.length);
      const pods = '/api/v1/namespaces/shop/pods';
      const merge = 'application/merge-patch+json';
      await write('POST', pods, pod('web', { app: 'web' }));
      await write('PATCH', `${pods}/web/status`, { status: { phase: 'Running', podIPs: [{ ip: '10.1.0.7' }] } }, merge);
      await write('PATCH', `${pods}/web`, { metadata: { labels: { app: 'db' } } }, merge);
      await write('DELETE', `${pods}/web?gracePeriodSeconds=0`);
      await until(() => told.events.some(({ op }) => op === 'remove'));
      const seen = told.events
        .filter((event) => event.op !== 'synced' && event.key === 'shop/web')
        .map((event) => {
          if (event.op !== 'upsert') return event.op;
          const { labels, addresses, ports } = event.value as Pod;
          return `${labels['app']} ${addresses.join()} ${ports.map((each) => each.name + each.port).join()}`;
        });
      // A real server may tell the pod once more on its way out, with a deletionTimestamp.
      assert.deepEqual(
        [...new Set(seen)],
        ['web  http8080', 'web 10.1.0.7 http8080', 'db 10.1.0.7 http8080', 'remove'],
      );
    });

    it('tells a policy in our words', async () => {
      const told = watchAll();
      await write('POST', '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies', {
        metadata: { name: 'deny' },
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      });
      await until(() => told.versions.has('networkpolicies shop/deny'));
      const event = told.events.find((each) => each.op === 'upsert' && each.key === 'shop/deny');
      assert.ok(event?.op === 'upsert' && event.value.kind === 'Policy');
      assert.deepEqual(
        [event.value.id, [...event.value.isolates], event.issues],
        ['shop/deny', ['ingress', 'egress'], []],
      );
    });

    it('loses and repeats nothing across streams that break inside a line and versions that expire', async () => {
      const errors: string[] = [];
      const told = watchAll({
        client: breaking(client),
        observer: { ...silent, interrupted: (_, error) => void errors.push(error?.code ?? 'closed') },
      });
      const pods = '/api/v1/namespaces/shop/pods';
      const brokeInBothWays = (): boolean => errors.includes('unreachable') && errors.includes('expired');
      // A server may send many events in one chunk.
      for (let round = 0; round < 60 || !brokeInBothWays(); round++) {
        const url = `${pods}/p${round % 7}`;
        await write('POST', pods, pod(`p${round % 7}`));
        await write('PATCH', url, { metadata: { labels: { round: `${round}` } } }, 'application/merge-patch+json');
        await write('DELETE', `${url}?gracePeriodSeconds=0`);
      }
      for (let i = 0; i < 5; i++) await write('POST', pods, pod(`last-${i}`));
      await untilEqual(told);
      assert.deepEqual(told.repeated, []);
    });

    it('tells a list of more than one page whole', async () => {
      const names = Array.from({ length: 501 }, (_, index) => `many-${index}`);
      for (let start = 0; start < names.length; start += 50) {
        await Promise.all(
          names
            .slice(start, start + 50)
            .map((each) => write('POST', '/api/v1/namespaces', { metadata: { name: each } })),
        );
      }
      const told = watchAll();
      await untilEqual(told);
      assert.ok(names.every((each) => told.versions.has(`namespaces ${each}`)));
      assert.deepEqual(told.repeated, []);
    });

    if (startServer !== startLabApi) return;

    it('lists again when the server has forgotten the version, and tells only what is new', async () => {
      const store = api.store!;
      const told = watchAll();
      await untilEqual(told);
      const before = told.events.length;
      store.expireWatches();
      store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'after' } });
      await until(() => told.versions.has('namespaces after'));
      await untilEqual(told);
      assert.deepEqual(told.repeated, []);
      assert.equal(told.events.length, before + 1);
    });
  });
}
