import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { createEventDispatcher } from '../../src/agent/event-dispatcher.ts';
import type { NodeFact, ResourceEvent, Sandbox } from '../../src/model/cluster.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { pod } from '../support/objects.ts';
import { syncedEvents, upsertOf } from '../support/pipeline.ts';

const sandbox: Sandbox = {
  id: 's1',
  namespace: 'x',
  name: 'a',
  uid: 'x/a',
  addresses: ['10.1.0.1'],
  link: undefined,
  live: true,
  order: 1,
};
const started: NodeFact = { op: 'sandbox', id: 's1', value: sandbox };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the event dispatcher', () => {
  let pipeline: Pipeline;
  let seen: string[];
  let wanted: string[][];
  let take: ReturnType<typeof createEventDispatcher>;

  beforeEach(() => {
    pipeline = new Pipeline('n1');
    [seen, wanted] = [[], []];
    const see =
      (who: string) =>
      ({ op }: ResourceEvent | NodeFact): void =>
        void seen.push(`${who} ${op} at ${pipeline.snapshot.revision}`);
    take = createEventDispatcher({
      pipeline,
      source: { receive: see('source') },
      fetcher: { receive: see('fetcher'), want: (all) => void wanted.push(Array.from(all, ({ id }) => id)) },
    });
  });

  it('tells all, the pipeline first', () => {
    take(upsertOf(pod('x/b')));
    const { revision } = pipeline.snapshot;
    assert.deepEqual(seen, [`fetcher upsert at ${revision}`, `source upsert at ${revision}`]);
    assert.notEqual(revision, new Pipeline('n1').snapshot.revision);
  });

  it('asks for the pods of sandboxes that are not known, once for all that comes in one piece', async () => {
    for (const event of [...syncedEvents(), started]) take(event);
    assert.deepEqual(wanted, []);
    await turn();
    assert.deepEqual(wanted, [['s1']]);
    take(upsertOf(pod('x/a')));
    await turn();
    assert.deepEqual(wanted, [['s1'], []]);
  });

  it('asks for none before the lists are in', async () => {
    take(started);
    await turn();
    assert.deepEqual(wanted, []);
    for (const event of syncedEvents()) take(event);
    await turn();
    assert.deepEqual(wanted, [['s1']]);
  });

  it('tells once that the runtime keeps a record: from then on a pod without a sandbox has no address', async () => {
    take(started);
    take(upsertOf(pod('x/a')));
    take({ op: 'sandbox', id: 's1', value: undefined });
    take(upsertOf(pod('x/a', { ips: ['10.1.0.1'] })));
    assert.equal(pipeline.cniCacheComplete, true);
    assert.equal(seen.filter((each) => each.startsWith('source cache-complete')).length, 1);
    assert.deepEqual(pipeline.snapshot.localPods.get('x/a/x/a')?.addresses, []);
  });
});
