import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ApiError } from '../../../src/watch/api-error.ts';
import { progressOf, rollOutUninstall, uninstallPatch, type Progress } from '../../../src/cli/uninstall/daemon-set.ts';

const daemonSet = (args: readonly unknown[], status: object = {}): object => ({
  metadata: { generation: 2 },
  spec: { template: { spec: { containers: [{ name: 'sidecar' }, { name: 'main', args }] } } },
  status: { observedGeneration: 2, ...status },
});
const notFound = {};
const uninstalling = ['agent', '--uninstall'];
const counts = (desired: number, updated: number, ready: number): object => ({
  desiredNumberScheduled: desired,
  updatedNumberScheduled: updated,
  numberReady: ready,
});

describe('an uninstall through the DaemonSet', () => {
  it('changes only the arguments of the agent container', () => {
    const patch = uninstallPatch(daemonSet(['agent', '--log-level', 'debug']));
    assert.deepEqual(patch, {
      spec: {
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '100%', maxSurge: 0 } },
        template: { spec: { containers: [{ name: 'main', args: ['agent', '--log-level', 'debug', '--uninstall'] }] } },
      },
    });
    assert.deepEqual(uninstallPatch(daemonSet(['agent', '--uninstall'])), uninstallPatch(daemonSet(['agent'])));
  });

  it('refuses a DaemonSet that runs no agent', () => {
    for (const other of [daemonSet(['proxy']), daemonSet([]), {}, null]) assert.equal(uninstallPatch(other), undefined);
  });

  for (const [what, status, progress] of [
    ['whose change the controller has not seen', { ...counts(3, 3, 3), observedGeneration: 1 }, { done: 0, nodes: 3 }],
    ['without a status', { observedGeneration: 0 }, { done: 0, nodes: 1 }],
    ['with old pods that are ready', counts(3, 0, 3), { done: 0, nodes: 3 }],
    ['with new pods that are not', counts(3, 3, 0), { done: 0, nodes: 3 }],
    ['that is mixed', counts(3, 2, 2), { done: 1, nodes: 3 }],
    ['that is done', counts(3, 3, 3), { done: 3, nodes: 3 }],
    ['without nodes', counts(0, 0, 0), { done: 0, nodes: 0 }],
  ] as const) {
    it(`counts the nodes of one ${what}`, () => assert.deepEqual(progressOf(daemonSet(['agent'], status)), progress));
  }

  /** Answers each look with the next of `states`, the last again and again; the first is as `found`. */
  async function rollOut(
    states: readonly (object | undefined)[],
    looks = 10,
    found: object = daemonSet(['agent']),
    release?: string,
  ) {
    const writes: string[] = [];
    const told: Progress[] = [];
    let asked = 0;
    const result = await rollOutUninstall(
      { namespace: 'ns', name: 'postern' },
      {
        client: {
          async get(path) {
            assert.equal(path, '/apis/apps/v1/namespaces/ns/daemonsets/postern');
            const state = asked === 0 ? found : states[Math.min(asked - 1, states.length - 1)];
            asked++;
            if (state === notFound) throw new ApiError('refused', 'not found', { status: 404 });
            if (!state) throw new ApiError('unreachable', 'connection refused');
            return (async function* () {
              yield Buffer.from(JSON.stringify(state));
            })();
          },
          async write(verb, path) {
            writes.push(`${verb} ${path}`);
            return {};
          },
        },
        release,
        signal: new AbortController().signal,
        progress: (progress) => void told.push(progress),
        pause: async () => asked < looks,
      },
    );
    return { result, writes, told };
  }

  it('waits until every node is done, and reports each step once', async () => {
    const states = [counts(2, 0, 2), counts(2, 0, 2), counts(2, 1, 1), counts(2, 2, 1), counts(2, 2, 2)];
    const { result, writes, told } = await rollOut(states.map((status) => daemonSet(uninstalling, status)));
    assert.deepEqual(writes, ['patch /apis/apps/v1/namespaces/ns/daemonsets/postern']);
    assert.deepEqual(
      told.map(({ done }) => done),
      [0, 1, 2],
    );
    assert.deepEqual(result, { done: 2, nodes: 2 });
  });

  it('reads the status again after a failed read', async () => {
    const [some, all] = [counts(2, 1, 1), counts(2, 2, 2)].map((status) => daemonSet(uninstalling, status));
    const { result, told } = await rollOut([some, undefined, all]);
    assert.deepEqual([result, told.length], [{ done: 2, nodes: 2 }, 2]);
  });

  it('does not report success if another client has changed the DaemonSet back', async () => {
    const states = [daemonSet(uninstalling, counts(2, 1, 2)), daemonSet(['agent'], counts(2, 2, 2))];
    await assert.rejects(rollOut(states), { code: 'daemonset', message: /has changed DaemonSet ns\/postern back/ });
  });

  it('ends if the DaemonSet is gone, before or during the wait, and reports that the rules remain', async () => {
    const gone = { code: 'daemonset', message: /DaemonSet ns\/postern does not exist: the rules of its agents/ };
    await assert.rejects(rollOut([], 10, notFound), gone);
    await assert.rejects(rollOut([daemonSet(uninstalling, counts(2, 1, 1)), notFound]), gone);
  });

  it('changes only a DaemonSet of the given Helm release', async () => {
    const done = [daemonSet(uninstalling, counts(1, 1, 1))];
    const of = (annotations?: object): object => ({
      ...daemonSet(['agent']),
      metadata: { generation: 1, ...(annotations && { annotations }) },
    });
    for (const other of [of(), of({ 'meta.helm.sh/release-name': 'mine' })]) {
      await assert.rejects(rollOut(done, 10, other, 'yours'), {
        code: 'daemonset',
        message: /Helm did not install .* as release yours/,
      });
    }
    const { writes } = await rollOut(done, 10, of({ 'meta.helm.sh/release-name': 'yours' }), 'yours');
    assert.equal(writes.length, 1);
  });

  it('prints its progress at the timeout', async () => {
    const { result } = await rollOut([daemonSet(uninstalling, counts(3, 3, 1))], 4);
    assert.deepEqual(result, { done: 1, nodes: 3 });
  });

  it('writes nothing without an agent', async () => {
    await assert.rejects(rollOut([], 10, daemonSet(['proxy'])), {
      code: 'daemonset',
      message: /ns\/postern has no container/,
    });
  });
});
