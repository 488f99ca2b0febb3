import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { EventWriter } from '../../src/agent/event-writer.ts';
import type { ObjectEvent } from '../../src/agent/object-event.ts';
import { ApiError } from '../../src/watch/api-error.ts';

const event = (name: string): ObjectEvent => ({
  path: '/api/v1/namespaces/x/events',
  name,
  identity: name,
  body: { name },
});
const answers: Readonly<Record<string, ApiError>> = {
  conflict: new ApiError('refused', 'already exists', { status: 409 }),
  forbidden: new ApiError('refused', 'forbidden', { status: 403 }),
  unauthorized: new ApiError('refused', 'unauthorized', { status: 401 }),
  busy: new ApiError('refused', 'too many requests', { status: 429 }),
  broken: new ApiError('refused', 'internal', { status: 500 }),
  away: new ApiError('unreachable', 'connection refused'),
};

/** Writes the events; the first tries are answered as told, all others are fine. */
async function write(
  wanted: readonly (string | ObjectEvent)[],
  first: readonly (keyof typeof answers)[] = [],
  meanwhile: (writer: EventWriter) => void = () => {},
) {
  const stop = new AbortController();
  const tried: string[] = [];
  const told: string[] = [];
  const sleeps: number[] = [];
  const bodies: unknown[] = [];
  const script = [...first];
  const writer = new EventWriter({
    client: {
      async write(verb, path, body) {
        tried.push(`${verb} ${path} ${(body as { name: string }).name}`);
        bodies.push(body);
        const answer = answers[script.shift() ?? ''];
        if (answer) meanwhile(writer);
        if (answer) throw answer;
        return {};
      },
    },
    signal: stop.signal,
    random: () => 1,
    spreadMs: () => 50,
    sleep: async (ms) => void sleeps.push(ms),
    observer: {
      finished: (result, { name }) => void told.push(`${result} ${name}`),
      crowdedOut: ({ name }, isFirst) => void told.push(`crowded out ${name}${isFirst ? ' first' : ''}`),
      emptied: () => undefined,
      delayed: ({ name }, { message }) => void told.push(`delayed ${name}: ${message}`),
    },
  });
  for (const each of wanted) writer.add(typeof each === 'string' ? event(each) : each);
  await writer.idle();
  return { writer, tried, told, sleeps, bodies, stop };
}

describe('the writer of Events', () => {
  it('creates each once, one after the other, with a pause', async () => {
    const { tried, told, sleeps } = await write(['a', 'a', 'b']);
    assert.deepEqual(
      tried,
      ['a', 'b'].map((name) => `create /api/v1/namespaces/x/events ${name}`),
    );
    assert.deepEqual(told, ['written a', 'written b']);
    assert.deepEqual(sleeps, [50, 100, 100]);
  });

  it('takes one that exists for done, and drops one that is refused', async () => {
    const { told, tried } = await write(['a', 'b', 'c'], ['conflict', 'forbidden']);
    assert.deepEqual(told, ['known a', 'dropped b', 'written c']);
    assert.equal(tried.length, 3);
  });

  for (const answer of ['unauthorized', 'busy', 'broken', 'away'] as const) {
    it(`tries again, later and later, when the server is ${answer}, and says so once`, async () => {
      const { told, sleeps } = await write(['a'], [answer, answer, answer]);
      assert.deepEqual(told, [`delayed a: ${answers[answer]!.message}`, 'written a']);
      assert.deepEqual(sleeps, [50, 1000, 2000, 4000, 100]);
    });
  }

  it('does not let one that fails keep the others waiting', async () => {
    const { told } = await write(['a', 'b', 'c'], ['broken']);
    assert.deepEqual(told, ['delayed a: internal', 'written b', 'written c', 'written a']);
  });

  it('goes on with those that come after it had nothing to do', async () => {
    const { writer, told } = await write(['a']);
    writer.add(event('b'));
    await writer.idle();
    assert.deepEqual(told, ['written a', 'written b']);
  });

  it('holds a thousand at most, and says what it drops', async () => {
    const { told } = await write(Array.from({ length: 1005 }, (_, index) => `e${index}`));
    assert.deepEqual(told.slice(0, 2), ['crowded out e1000 first', 'crowded out e1001']);
    assert.equal(told.filter((each) => each.startsWith('written')).length, 1000);
  });

  it('makes room for a namespace with few Events, at the cost of the one with the most', async () => {
    const other = (name: string): ObjectEvent => ({ ...event(name), path: '/api/v1/namespaces/shop/events' });
    const many = Array.from({ length: 1200 }, (_, index) => `e${index}`);
    const { told } = await write([...many, other('a'), 'late', other('b')]);
    assert.deepEqual(
      told.slice(200).filter((each) => !each.startsWith('written e')),
      ['crowded out e999', 'crowded out late', 'crowded out e998', 'written a', 'written b'],
    );
    assert.equal(told.filter((each) => each.startsWith('written')).length, 1000);
  });

  const happening = (name: string, count: number): ObjectEvent => ({ ...event(name), newest: { name, count } });

  it('changes one that says the newest where it is there already', async () => {
    const { tried, told } = await write([happening('a', 1)], ['conflict']);
    assert.deepEqual(tried, ['create /api/v1/namespaces/x/events a', 'patch /api/v1/namespaces/x/events/a a']);
    assert.deepEqual(told, ['written a']);
  });

  it('lets the newest take the place of one that waits', async () => {
    const { bodies } = await write([event('b'), happening('a', 1), happening('a', 2)]);
    assert.deepEqual(bodies, [{ name: 'b' }, { name: 'a' }]);
    const late = await write([happening('a', 1)], ['away'], (writer) => writer.add(happening('a', 2)));
    assert.deepEqual(late.told, ['delayed a: connection refused', 'written a']);
    assert.equal(late.tried.length, 2);
  });
});
