import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { createCniAnswers } from '../../../src/agent/cni/answer-cni.ts';
import type { CniAnswer } from '../../../src/cni/answer.ts';
import type { CniRequest } from '../../../src/cni/request.ts';
import type { TableFamily } from '../../../src/nftables/ruleset.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const entry = {
  id: 'c1',
  namespace: 'x',
  name: 'web',
  uid: 'u1',
  device: 'eth0',
  netns: undefined,
  addresses: ['10.1.0.5'],
  hostDevices: [],
  mac: undefined,
  ranges: [],
};
const base: CniRequest = {
  command: 'ADD',
  config: { name: 'pods', timeoutSeconds: 3 },
  file: 'pods-c1-eth0',
  subject: { kind: 'pod', entry },
};

describe('createCniAnswers', () => {
  const { signal } = new AbortController();
  let clock: ManualClock;
  let calls: string[];
  let announced: string[];
  let wait: (signal: AbortSignal) => Promise<string | undefined>;
  let announce: (file: string) => Promise<void>;
  let waitInside: (id: string, signal: AbortSignal) => Promise<string | undefined>;
  let inspectedInside: (id: string) => Promise<readonly TableFamily[] | undefined>;
  let inspected: () => Promise<readonly TableFamily[] | undefined>;
  let notEnforcing: string | undefined;
  let ask: (request: Partial<CniRequest>) => Promise<CniAnswer>;
  beforeEach(() => {
    [clock, calls, announced, notEnforcing] = [new ManualClock(), [], [], undefined];
    wait = async () => undefined;
    announce = async (file) => void calls.push(`announce ${file}`);
    waitInside = async () => undefined;
    [inspected, inspectedInside] = [async () => [], async () => []];
    const answer = createCniAnswers({
      announcer: {
        announce: (file) => announce(file),
        withdraw: (file) => void calls.push(`withdraw ${file}`),
        announced: () => announced,
      },
      waits: { wait: (_, limit) => wait(limit) },
      podNetworks: { wait: (id, limit) => waitInside(id, limit), inspect: (id) => inspectedInside(id) },
      inspect: () => inspected(),
      notEnforcing: () => notEnforcing,
      clock,
    });
    ask = (request) => answer({ ...base, ...request }, signal);
  });
  const untilAborted = (limit: AbortSignal): Promise<string> =>
    new Promise((resolve) => limit.addEventListener('abort', () => resolve('not yet')));

  it('ADD announces the sandbox and waits for its rules', async () => {
    assert.deepEqual(await ask({}), { kind: 'ok' });
    assert.deepEqual(calls, ['announce pods-c1-eth0']);
    wait = async () => 'not yet';
    assert.deepEqual(await ask({}), { kind: 'late', reason: 'not yet' });
  });

  it('ADD waits for the rules inside of the pod, after those of the node, which come after the watch has told of the sandbox', async () => {
    const order: string[] = [];
    const told = Promise.withResolvers<void>();
    announce = () => told.promise.then(() => void order.push('announced'));
    wait = async () => void order.push('node');
    waitInside = async (id) => void order.push(`inside of ${id}`);
    const answer = ask({});
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(order, []);
    told.resolve();
    assert.deepEqual(await answer, { kind: 'ok' });
    assert.deepEqual(order, ['announced', 'node', 'inside of c1']);
    waitInside = async () => 'not inside yet';
    for (const command of ['ADD', 'CHECK'] as const)
      assert.deepEqual(await ask({ command }), { kind: 'late', reason: 'not inside yet' });
    waitInside = (_, limit) => untilAborted(limit);
    const late = ask({});
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(3000);
    assert.deepEqual(await late, { kind: 'late', reason: 'not yet' });
  });

  it('ADD waits as long as its configuration says, within bounds', async () => {
    for (const [given, seconds] of [
      [3, 3],
      [undefined, 10],
      [0, 1],
      [1e9, 60],
      ['7', 10],
    ] as const) {
      wait = untilAborted;
      const answer = ask({ config: { ...(given !== undefined && { timeoutSeconds: given }) } });
      const state = Promise.race([answer, new Promise((resolve) => setImmediate(resolve, 'waiting'))]);
      clock.advance(seconds * 1000 - 1);
      assert.equal(await state, 'waiting', String(given));
      clock.advance(1);
      assert.deepEqual(await answer, { kind: 'late', reason: 'not yet' });
    }
  });

  it('ADD of what is no pod waits for nothing, and of an unusable one is late', async () => {
    wait = () => assert.fail('it waits');
    assert.deepEqual(await ask({ subject: { kind: 'none' } }), { kind: 'ok' });
    assert.deepEqual(await ask({ subject: { kind: 'unusable', message: 'no uid' } }), {
      kind: 'late',
      reason: 'no uid',
    });
    assert.deepEqual(calls, []);
  });

  it('CHECK announces nothing, and fails if a table was changed', async () => {
    assert.deepEqual(await ask({ command: 'CHECK' }), { kind: 'ok' });
    inspected = async () => ['ip', 'bridge'];
    const answer = await ask({ command: 'CHECK' });
    assert.ok(answer.kind === 'error' && answer.code === 100);
    assert.match(answer.message, /table ip postern, table bridge postern/);
    assert.deepEqual(calls, []);
  });

  it('CHECK fails if a table inside of the pod was changed, and is late if it cannot be read', async () => {
    inspectedInside = async (id) => (id === 'c1' ? ['ip6'] : assert.fail(id));
    const answer = await ask({ command: 'CHECK' });
    assert.ok(answer.kind === 'error' && answer.code === 100);
    assert.match(answer.message, /changed table ip6 postern in the pod's network namespace;/);
    inspectedInside = async () => undefined;
    assert.equal((await ask({ command: 'CHECK' })).kind, 'late');
  });

  it('CHECK is late if the kernel cannot be read, or not in time', async () => {
    inspected = async () => undefined;
    assert.equal((await ask({ command: 'CHECK' })).kind, 'late');
    inspected = () => Promise.reject(new Error('nft failed'));
    assert.deepEqual(await ask({ command: 'CHECK' }), { kind: 'late', reason: 'nft failed' });
    inspected = () => new Promise(() => {});
    const answer = ask({ command: 'CHECK' });
    clock.advance(3000);
    assert.deepEqual(await answer, { kind: 'late', reason: 'the agent needs more time' });
  });

  it('DEL never fails', async () => {
    assert.deepEqual(await ask({ command: 'DEL', subject: { kind: 'none' } }), { kind: 'ok' });
    assert.deepEqual(calls, ['withdraw pods-c1-eth0']);
  });

  it('GC withdraws what its network has left behind', async () => {
    announced = ['pods-c1-eth0', 'pods-c2-eth0', 'others-c3-eth0'];
    const config = { name: 'pods', 'cni.dev/valid-attachments': [{ containerID: 'c2', ifname: 'eth0' }] };
    assert.deepEqual(await ask({ command: 'GC', config }), { kind: 'ok' });
    assert.deepEqual(calls, ['withdraw pods-c1-eth0']);
  });

  it('STATUS says whether the node enforces policies', async () => {
    assert.deepEqual(await ask({ command: 'STATUS' }), { kind: 'ok' });
    notEnforcing = 'no rules';
    assert.deepEqual(await ask({ command: 'STATUS' }), { kind: 'late', reason: 'no rules' });
  });
});
