import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ResourceEvent } from '../../src/model/cluster.ts';
import type { ApiReader } from '../../src/watch/api-client.ts';
import { ApiError } from '../../src/watch/api-error.ts';
import { OptionalWatch } from '../../src/watch/optional-watch.ts';
import { optionalResources } from '../../src/watch/resources.ts';
import type { WatchObserver } from '../../src/watch/watch.ts';

const [resource] = optionalResources;
const root = '/apis/policy.networking.k8s.io';

/** What the API server has at one moment: the served version, and the names of its objects. */
interface Served {
  readonly version: string;
  readonly names: readonly string[];
  /** The API server that answers says that it serves the collection, and does not have it. */
  readonly isMissing?: boolean;
  /** Objects that its first watch adds. */
  readonly stream?: readonly object[];
}

/** Watches an API server that goes through these states, one for each question whether it serves the resource. */
async function watchThrough(states: readonly (Served | undefined)[]) {
  const events: string[] = [];
  const told: (string | undefined)[] = [];
  const requests: string[] = [];
  const held: string[] = [];
  const slept: number[] = [];
  const issues: string[] = [];
  const streamed = new Set<Served>();
  const stop = new AbortController();
  let [asked, now] = [-1, 0];
  const answer = (path: string, query: Readonly<Record<string, string>> = {}): unknown => {
    requests.push(query['watch'] === undefined ? path : `${path} watch`);
    if (path === root && ++asked >= states.length) stop.abort();
    const state = states[Math.min(asked, states.length - 1)];
    const versions = state && [{ version: 'v1alpha1' }, { version: state.version }];
    if (path === root && versions) return { versions, preferredVersion: versions[0] };
    if (path === `${root}/v1alpha1` && state) return { resources: [{ name: 'adminnetworkpolicies' }] };
    if (path === `${root}/${state?.version}`) return { resources: [{ name: 'clusternetworkpolicies' }] };
    if (
      state?.isMissing !== true &&
      path === `${root}/${state?.version}/clusternetworkpolicies` &&
      query['watch'] === undefined
    ) {
      const items = state!.names.map((name) => ({ metadata: { name, uid: name, resourceVersion: '1' }, spec: {} }));
      return { metadata: { resourceVersion: '5' }, items };
    }
    if (query['watch'] !== undefined && state?.stream && !streamed.has(state)) {
      streamed.add(state);
      return new Lines(state.stream.map((object) => ({ type: 'ADDED', object })));
    }
    throw new ApiError('refused', 'not found', { status: 404 });
  };
  const client: ApiReader = {
    get: async (path, { query }) => {
      const body = answer(path, query);
      return body instanceof Lines ? body.read() : bodyOf(body);
    },
  };
  const observer: WatchObserver = {
    contact: () => undefined,
    listed: () => undefined,
    emptied: (_, what) => void held.push(what),
    interrupted: () => undefined,
    skipped: () => undefined,
  };
  const emit = (event: ResourceEvent): void => {
    events.push('key' in event ? `${event.op} ${event.key}` : event.op);
    if (event.op === 'upsert') issues.push(...event.issues.map(({ path }) => `${event.key}: ${path}`));
  };
  const timing = {
    ...{ backoff: { firstMs: 1000, maxMs: 30_000 }, silenceMs: 1000, streamSeconds: 1 },
    random: () => 0,
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
      slept.push(ms);
    },
  };
  await new OptionalWatch(resource!, client, emit, observer, (path) => told.push(path), timing).run(stop.signal);
  return { events, told, requests, held, slept, issues };
}

class Lines {
  readonly #values: readonly object[];

  constructor(values: readonly object[]) {
    this.#values = values;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (const value of this.#values) yield Buffer.from(`${JSON.stringify(value)}\n`);
  }
}

async function* bodyOf(value: unknown): AsyncGenerator<Uint8Array> {
  yield Buffer.from(JSON.stringify(value));
}

describe('a resource that the API server need not serve (S10.24)', () => {
  it('counts as listed while it is absent, and one request is enough to see that', async () => {
    const { events, told, requests } = await watchThrough([undefined, undefined]);
    assert.deepEqual([events, told], [['synced'], [undefined]]);
    assert.deepEqual(requests, [root, root, root]);
  });

  it('is asked for at most twice a minute while it is absent', async () => {
    const { slept } = await watchThrough(Array.from({ length: 5 }, () => undefined));
    assert.ok(slept.length >= 5);
    assert.deepEqual(
      slept.filter((ms) => ms < 30_000),
      [],
    );
  });

  it('is asked for ever more rarely while one API server serves it and another does not have it', async () => {
    const { slept, requests } = await watchThrough(
      Array.from({ length: 8 }, () => ({ version: 'v1alpha2', names: [], isMissing: true })),
    );
    assert.ok(requests.length < 8 * 6, `${requests.length} requests`);
    const waited = slept.filter((ms) => ms > 0);
    assert.ok(waited.length >= 7 && waited.at(-1)! > 8 * waited[0]!, waited.join());
  });

  it('goes on after malformed objects in the middle of a watch, and reports them (S10.20, S10.21)', async () => {
    const spec = { tier: 'Admin', priority: 1, subject: { namespaces: {} } };
    const object = (name: string, given: unknown): object => ({
      kind: 'ClusterNetworkPolicy',
      metadata: { name, uid: name, resourceVersion: '6', generation: 1 },
      spec: given,
    });
    const stream = [
      object('odd', { ...spec, tier: 'Platform' }),
      object('number', 7),
      object('rules', { ...spec, ingress: [7] }),
      object('good', spec),
    ];
    const { events, issues } = await watchThrough([{ version: 'v1alpha2', names: [], stream }]);
    assert.deepEqual(events, ['synced', 'upsert odd', 'upsert number', 'upsert rules', 'upsert good']);
    for (const name of ['odd', 'number', 'rules']) assert.ok(issues.some((each) => each.startsWith(`${name}: spec`)));
    assert.ok(!issues.some((each) => each.startsWith('good')));
  });

  it('is read when it comes, in the served version', async () => {
    const { events, told } = await watchThrough([undefined, { version: 'v1beta1', names: ['a'] }]);
    assert.deepEqual(events, ['synced', 'upsert a']);
    assert.deepEqual(told, [undefined, `${root}/v1beta1/clusternetworkpolicies`]);
  });

  it('keeps its objects in another version, without those that are gone', async () => {
    const { events } = await watchThrough([
      { version: 'v1alpha2', names: ['a', 'b'] },
      { version: 'v1beta1', names: ['b'] },
    ]);
    assert.deepEqual(events, ['upsert a', 'upsert b', 'synced', 'upsert b', 'remove a']);
  });

  it('goes with its objects only after it has been absent for a while (S7.18)', async () => {
    const states = [{ version: 'v1alpha2', names: ['a'] }, ...Array.from({ length: 8 }, () => undefined)];
    const { events, held } = await watchThrough(states);
    assert.deepEqual(events, ['upsert a', 'synced', 'remove a']);
    assert.deepEqual([held.at(-1), held.includes('held')], ['accepted', true]);
    const { events: soon } = await watchThrough(states.slice(0, 4));
    assert.deepEqual(soon, ['upsert a', 'synced']);
  });
});
