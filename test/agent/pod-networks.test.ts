import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'mocha';
import { GenerationWatch } from '../../src/agent/pod-networks/generation-watch.ts';
import { PodNetworks } from '../../src/agent/pod-networks/pod-networks.ts';
import { judgeInterfaces, mustLookInside } from '../../src/agent/pod-networks/judge-interfaces.ts';
import { limitTurns } from '../../src/agent/pod-networks/turns.ts';
import type { Sandbox } from '../../src/model/cluster.ts';
import { ManualClock } from '../support/manual-clock.ts';

const namespace = '/run/netns/cni-1';
const eth0 = { device: 'eth0', namespace, addresses: ['10.1.0.2'] };
const net1 = { device: 'net1', namespace, addresses: ['198.18.0.2'] };

function sandboxWith(fields: Partial<Sandbox>): Sandbox {
  const pod = { id: 'c1', namespace: 'shop', name: 'web', uid: 'uid-web', order: 1 };
  return { ...pod, addresses: ['10.1.0.2'], link: undefined, live: true, interfaces: [eth0], ...fields };
}

const link = { device: 'veth1' };

describe('the interfaces of a pod', () => {
  const cases: Readonly<Record<string, [Partial<Sandbox>, [string, string | undefined][], string[] | 'no look']>> = {
    'eth0 with a known device on the node': [{ link }, [['eth0', 'veth']], 'no look'],
    'a sandbox that ended': [{ live: false }, [], 'no look'],
    'no recorded namespace': [{ interfaces: [] }, [], 'no look'],
    'a veth whose other end no record names': [{}, [['eth0', 'veth']], []],
    'a tap': [{}, [['eth0', 'tun']], []],
    macvlan: [{}, [['eth0', 'macvlan']], ['eth0']],
    ipvlan: [{}, [['eth0', 'ipvlan']], ['eth0']],
    'a network card (SR-IOV, host-device)': [{}, [['eth0', undefined]], ['eth0']],
    'a device that is not there': [{}, [], ['eth0']],
    'an additional macvlan beside a veth': [
      { link, interfaces: [eth0, net1] },
      [
        ['eth0', 'veth'],
        ['net1', 'macvlan'],
      ],
      ['net1'],
    ],
    'an additional veth, whose addresses the node does not know': [
      { link, interfaces: [eth0, net1] },
      [
        ['eth0', 'veth'],
        ['net1', 'veth'],
      ],
      ['net1'],
    ],
  };
  for (const [name, [fields, kinds, inside]] of Object.entries(cases)) {
    it(`are judged rightly with ${name}`, () => {
      const sandbox = sandboxWith(fields);
      assert.equal(mustLookInside(sandbox), inside !== 'no look');
      if (inside === 'no look') return;
      const judged = judgeInterfaces(sandbox, new Map(kinds));
      assert.deepEqual(
        judged.inside.map(({ device }) => device),
        inside,
      );
      const all = sandbox.interfaces!.map(({ device }) => device);
      assert.deepEqual(
        judged.judgedByNode.map(({ name: device }) => device),
        all.filter((device) => !inside.includes(device)),
      );
    });
  }
});

describe('a look at the devices of a pod', () => {
  it('is not made twice at the same time, and leaves no namespace open', async () => {
    const clock = new ManualClock();
    const failed: string[] = [];
    const waiting: ((answer: { exitCode: number; stdout: string; stderr: string }) => void)[] = [];
    let [opened, closed, runs] = [0, 0, 0];
    const networks = new PodNetworks({
      rules: { guard: true, allowed: {} },
      netlink: false,
      clock,
      signal: new AbortController().signal,
      changed() {},
      events: { stageDone() {}, wrote() {}, drifted() {}, failed: (pod) => failed.push(pod) },
      open() {
        opened++;
        const openSocket = () => Promise.reject(new Error('there is no kernel here'));
        return { enter: (file, args) => [file, args], openSocket, isCurrent: () => true, close: () => void closed++ };
      },
      exec: () => (runs++ === 0 ? Promise.reject(new Error('no')) : new Promise((resolve) => waiting.push(resolve))),
    });
    networks.receive({ op: 'sandbox', id: 'c1', value: sandboxWith({}) });
    await nextTurn();
    assert.deepEqual(failed, ['shop/web']);
    for (let looks = 0; looks < 4; looks++) {
      clock.advance(6000);
      await networks.look();
    }
    assert.deepEqual([opened, waiting.length], [2, 1]);
    const stdout = `${JSON.stringify([{ ifname: 'eth0', linkinfo: { info_kind: 'macvlan' } }])}\n`;
    for (const answer of waiting) answer({ exitCode: 0, stdout, stderr: '' });
    await nextTurn();
    assert.equal(networks.counts.enforced + networks.counts.failing, 0);
    await networks.close();
    assert.equal(closed, opened);
  });
});

describe('a wait for the rules inside of a pod', () => {
  const shown = (kind: string): string =>
    ['lo', 'eth0'].map((ifname) => `${JSON.stringify([{ ifname, linkinfo: { info_kind: kind } }])}\n`).join('');
  function start() {
    const ending = new AbortController();
    const limit = new AbortController();
    const answers: ((stdout: string | Error) => void)[] = [];
    const networks = new PodNetworks({
      rules: { guard: true, allowed: {} },
      netlink: false,
      clock: new ManualClock(),
      signal: ending.signal,
      changed() {},
      events: { stageDone() {}, wrote() {}, drifted() {}, failed() {} },
      open() {
        const openSocket = () => Promise.reject(new Error('there is no kernel here'));
        return { enter: (file, args) => [file, args], openSocket, isCurrent: () => true, close() {} };
      },
      exec: async () => {
        const answer = await new Promise<string | Error>((resolve) => answers.push(resolve));
        if (typeof answer !== 'string') throw answer;
        return { exitCode: 0, stdout: answer, stderr: '' };
      },
    });
    networks.receive({ op: 'sandbox', id: 'c1', value: sandboxWith({}) });
    let outcome: string | undefined = 'waiting';
    void networks.wait('c1', limit.signal).then((reason) => (outcome = reason));
    const give = async (answer: string | Error): Promise<void> => {
      answers.shift()!(answer);
      for (let turns = 0; turns < 5; turns++) await nextTurn();
    };
    const abort = async (): Promise<string | undefined> => {
      limit.abort();
      await nextTurn();
      return outcome;
    };
    return { networks, ending, give, abort, outcome: () => outcome };
  }

  it('is over at once for a pod that the agent need not look into', async () => {
    const { networks, abort } = start();
    networks.receive({ op: 'sandbox', id: 'c2', value: sandboxWith({ id: 'c2', link }) });
    networks.receive({ op: 'sandbox', id: 'c3', value: sandboxWith({ id: 'c3', interfaces: [] }) });
    const { signal } = new AbortController();
    assert.deepEqual([await networks.wait('c2', signal), await networks.wait('c3', signal)], [undefined, undefined]);
    assert.match((await networks.wait('c4', signal))!, /does not know the sandbox/);
    assert.deepEqual([await networks.inspect('c2'), await networks.inspect('c4')], [[], undefined]);
    assert.match((await abort())!, /has not looked into the pod's network namespace yet/);
    await networks.close();
  });

  it('ends when the agent finds that the node judges all packets of the pod', async () => {
    const { networks, give, outcome } = start();
    await nextTurn();
    assert.equal(outcome(), 'waiting');
    await give(shown('veth'));
    assert.equal(outcome(), undefined);
    await networks.close();
  });

  it('does not end while there are no rules inside', async () => {
    const { networks, give, abort, outcome } = start();
    await give(shown('macvlan'));
    assert.equal(outcome(), 'waiting');
    assert.match((await abort())!, /the rules are not in the pod's network namespace yet/);
    await networks.close();
  });

  it('tells why the agent cannot look inside', async () => {
    const { networks, give, abort, outcome } = start();
    await give(new Error('no such device'));
    assert.equal(outcome(), 'waiting');
    assert.match((await abort())!, /cannot look into .*no such device/);
    await networks.close();
  });

  it('goes on when the sandbox is recorded anew, and ends when the agent learns that the node has its device', async () => {
    const { networks, give, outcome } = start();
    await give(shown('macvlan'));
    networks.receive({ op: 'sandbox', id: 'c1', value: sandboxWith({ interfaces: [eth0, net1] }) });
    await nextTurn();
    assert.equal(outcome(), 'waiting');
    networks.receive({ op: 'sandbox', id: 'c1', value: sandboxWith({ link }) });
    await nextTurn();
    assert.equal(outcome(), undefined);
    await networks.close();
  });

  it('fails if a later sandbox has the network namespace, also if that comes during the look', async () => {
    const { networks, give, abort } = start();
    networks.receive({ op: 'sandbox', id: 'c2', value: sandboxWith({ id: 'c2', order: 2 }) });
    await give(shown('macvlan'));
    assert.match((await abort())!, /another pod has the pod's network namespace by now/);
    await networks.close();
  });

  it('fails if a later sandbox that the agent need not look into has the network namespace', async () => {
    const { networks, give, abort } = start();
    networks.receive({ op: 'sandbox', id: 'c2', value: sandboxWith({ id: 'c2', order: 2, link }) });
    await give(shown('macvlan'));
    assert.match((await abort())!, /another pod has the pod's network namespace by now/);
    await networks.close();
    const found = start();
    await found.give(shown('macvlan'));
    found.networks.receive({ op: 'sandbox', id: 'c2', value: sandboxWith({ id: 'c2', order: 2, link }) });
    assert.match((await found.abort())!, /another pod has the pod's network namespace by now/);
    await found.networks.close();
  });

  it('fails if the sandbox ends, or if the agent does', async () => {
    const ended = start();
    await nextTurn();
    ended.networks.receive({ op: 'sandbox', id: 'c1', value: undefined });
    await nextTurn();
    assert.match(ended.outcome()!, /does not know the sandbox of the pod any more/);
    await ended.networks.close();

    const { networks, ending, give, outcome } = start();
    ending.abort();
    await give(shown('macvlan'));
    assert.equal(outcome(), 'waiting');
    await networks.close();
    await nextTurn();
    assert.match(outcome()!, /does not know the sandbox of the pod any more/);
  });
});

describe('the watch of generations', () => {
  const signal = new AbortController().signal;
  const options = { check: false, signal };

  function start() {
    const clock = new ManualClock();
    const state = { generation: 7, suspicions: 0, readMs: 0 };
    const watch = new GenerationWatch(async () => state.generation, clock);
    const kernel = watch.behind({
      async observe() {
        clock.advance(state.readMs);
        return undefined;
      },
      observeChain: async () => undefined,
      run: async (_, { check }) => void (state.generation += check ? 0 : 1),
    });
    const look = () => watch.look({ suspect: () => void state.suspicions++ });
    return { clock, state, kernel, look, watch };
  }

  it('suspects nothing before the first read, nor the own transactions', async () => {
    const { state, kernel, look } = start();
    await look();
    await kernel.observe(signal);
    await kernel.run([], options);
    await kernel.run([], { ...options, check: true });
    await kernel.run([], options);
    await look();
    assert.equal(state.suspicions, 0);
  });

  it('suspects each transaction of others, until the tables are read', async () => {
    const { state, kernel, look } = start();
    await kernel.observe(signal);
    state.generation++;
    await look();
    assert.equal(state.suspicions, 1);
    await kernel.observe(signal);
    await look();
    assert.equal(state.suspicions, 1);
  });

  it('suspects a transaction that came between a read and a write of the agent', async () => {
    const { state, kernel, look } = start();
    await kernel.observe(signal);
    state.generation++;
    await kernel.run([], options);
    await look();
    assert.equal(state.suspicions, 1);
  });

  it('knows whether another program has written since the last read', async () => {
    const { state, kernel, watch } = start();
    assert.equal(await watch.hasForeign(), true);
    await kernel.observe(signal);
    await kernel.run([], options);
    assert.equal(await watch.hasForeign(), false);
    state.generation++;
    assert.equal(await watch.hasForeign(), true);
  });

  it('rests for nine times as long as a restoration took', async () => {
    const { clock, state, kernel, look } = start();
    await kernel.observe(signal);
    state.readMs = 100;
    state.generation++;
    await look();
    await kernel.observe(signal);
    state.generation++;
    clock.advance(899);
    await look();
    assert.equal(state.suspicions, 1);
    clock.advance(1);
    await look();
    assert.equal(state.suspicions, 2);
  });
});

describe('turns', () => {
  it('run so many at once, in order, and rest after each', async () => {
    const clock = new ManualClock();
    const turn = limitTurns(1, clock, 4);
    const began: number[] = [];
    const work = (number: number) => async (): Promise<void> => {
      began.push(number);
      clock.advance(10);
    };
    const first = turn(work(1));
    const second = turn(work(2));
    await first;
    await Promise.resolve();
    assert.deepEqual(began, [1]);
    clock.advance(40);
    await second;
    assert.deepEqual(began, [1, 2]);
  });

  it('go on after a work that fails', async () => {
    const turn = limitTurns(1, new ManualClock());
    await assert.rejects(turn(() => Promise.reject(new Error('no'))));
    assert.equal(await turn(async () => 1), 1);
  });
});
