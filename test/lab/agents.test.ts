import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Flow, FlowState } from '../../src/lab/flow.ts';
import { Lab } from '../../src/lab/lab.ts';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { host, pod } from './objects.ts';
import { until } from './until.ts';
import { nameLab } from '../support/lab-name.ts';

const denyAll: ApiObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'x', name: 'deny' },
  spec: { podSelector: { matchLabels: { pod: 'b' } }, policyTypes: ['Ingress'] },
};

/** Selects no pod. An agent that starts while the API server lists no policy at all would hold that for 30 s (S7.18). */
const unrelated: ApiObject = {
  ...denyAll,
  metadata: { namespace: 'x', name: 'unrelated' },
  spec: { podSelector: { matchLabels: { pod: 'none' } }, policyTypes: ['Ingress'] },
};

describe('lab: agents (kernel)', function () {
  this.timeout(180_000);
  let directory: string;
  let lab: Lab;
  const sandboxes: string[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-agents-'));
    const objects = [
      pod('x', 'a', ['TCP/80', 'UDP/80'], { nodeName: 'n1' }),
      pod('x', 'b', ['TCP/80', 'UDP/80'], { nodeName: 'n2' }),
      host('out', ['10.0.0.1'], []),
      unrelated,
    ];
    const onSandbox = async ({ metadata }: ApiObject, namespace: string): Promise<void> => {
      const links = JSON.parse(await runInNamespace(namespace, 'ip', ['-j', 'link'])) as { ifname: string }[];
      sandboxes.push([metadata.name, ...links.map(({ ifname }) => ifname)].join(' '));
    };
    lab = await Lab.up({ name: nameLab('a'), stateRoot: directory, objects, onSandbox });
    await lab.settle();
  });
  after(async () => {
    await lab.down();
    await rm(directory, { recursive: true });
  });
  const allow = (): void => {
    if (lab.store.find('networkpolicies', { namespace: 'x', name: 'deny' })) {
      lab.store.delete('networkpolicies', { namespace: 'x', name: 'deny' });
    }
  };
  const verdicts = async (): Promise<string[]> => {
    const { results } = await lab.probe({ to: ['x/b'], ports: ['TCP/80'] });
    for (const { observed, expected } of results) assert.equal(observed, expected);
    return results.map(({ from, family, observed }) => `${from} ${family} ${observed}`);
  };
  const denied = ['x/a ipv4 denied', 'x/a ipv6 denied', 'x/b ipv4 allowed', 'x/b ipv6 allowed', 'host/out ipv4 denied'];
  const allowed = denied.map((line) => line.replace('denied', 'allowed'));

  it('a caller that wants to run first in a pod is called before the pod has a network', () => {
    assert.deepEqual(sandboxes.sort(), ['a lo', 'b lo']);
  });

  it('each agent gets the CNI cache directory of its node', async () => {
    for (const [node, pods] of [
      ['n1', ['a']],
      ['n2', ['b']],
    ] as const) {
      const words = (await readFile(`/proc/${lab.agents.get(node)!.pid}/cmdline`, 'utf8')).split('\0');
      const cache = words[words.indexOf('--cni-cache-dir') + 1]!;
      const files = await readdir(cache);
      const texts = await Promise.all(files.map((file) => readFile(join(cache, file), 'utf8')));
      const entries = texts.map((text) => JSON.parse(text) as { cniArgs: [string, string][] });
      const named = entries.map(({ cniArgs }) => Object.fromEntries(cniArgs)['K8S_POD_NAME']);
      assert.deepEqual(named, pods);
    }
  });

  it('a probe sees the changes before it', async () => {
    assert.deepEqual(await verdicts(), allowed);
    lab.apply([denyAll]);
    assert.deepEqual(await verdicts(), denied);
    allow();
    assert.deepEqual(await verdicts(), allowed);
  });

  it('a flow stalls while it is denied, and its ends report it', async () => {
    const tcp = await lab.openFlow('x/a', 'x/b', { protocol: 'TCP', port: 80, family: 'ipv6', rate: 200 });
    const udp = await lab.openFlow('x/a', 'x/b', { protocol: 'UDP', port: 80, family: 'ipv4', rate: 2000 });
    const flowsBothWays = async (flow: Flow, since: FlowState): Promise<boolean> => {
      const { client, server } = await flow.state();
      return client.received > since.client.received + 10 && server.received > since.server.received + 10;
    };
    const start = await tcp.state();
    await until(() => flowsBothWays(tcp, start));

    lab.apply([denyAll]);
    await lab.settle();
    const stalled = await tcp.state();
    const silent = await udp.state();
    // As long as 400 more datagrams take to be sent, none arrives.
    await until(async () => (await udp.state()).client.sent > silent.client.sent + 400);
    assert.equal((await udp.state()).server.received, silent.server.received);
    const later = await tcp.state();
    assert.deepEqual(
      [later.client.received, later.server.received],
      [stalled.client.received, stalled.server.received],
    );

    allow();
    await lab.settle();
    await until(() => flowsBothWays(tcp, later));
    const { client, server } = await tcp.close();
    assert.deepEqual([client.distinct, server.distinct], [client.highest, server.highest]);
    const sent = (await udp.pause()).client.sent;
    await until(async () => (await udp.state()).server.highest === sent);
    const { server: counted } = await udp.close();
    assert.ok(counted.highest - counted.distinct >= 400, JSON.stringify(counted));
  });

  it('an agent that ended by itself is an error, until it is started again', async () => {
    const agent = lab.agents.get('n1')!;
    process.kill(agent.pid!, 'SIGKILL');
    await until(() => !agent.isRunning);
    await assert.rejects(lab.settle(), { code: 'state', message: /the agent of n1 has exited/ });
    await agent.start();
    await lab.settle();
    // The agent reports its applied state before it has checked bridges and routes.
    await until(() => agent.isReady());
  });

  it('an agent that was stopped is not waited for, and its rules stay', async () => {
    lab.apply([denyAll]);
    await lab.settle();
    const agent = lab.agents.get('n2')!;
    await agent.stop('SIGKILL');
    assert.deepEqual(await verdicts(), denied);
    allow();
    await lab.settle();
    const { results } = await lab.probe({ from: ['x/a'], to: ['x/b'], ports: ['TCP/80'], families: ['ipv4'] });
    assert.deepEqual(
      results.map(({ observed, expected }) => [observed, expected]),
      [['denied', 'allowed']],
    );
    await agent.start();
    assert.deepEqual(await verdicts(), allowed);
  });

  it('an agent with a silent API server keeps its connections, and then gets the missed events', async () => {
    const agent = lab.agents.get('n2')!;
    const log = await agent.log();
    agent.stall();
    lab.apply([denyAll]);
    await assert.rejects(lab.settle(300), { code: 'timeout' });
    agent.unstall();
    assert.deepEqual(await verdicts(), denied);
    allow();
    await lab.settle();
    const since = (await agent.log()).slice(log.length);
    assert.doesNotMatch(since, /"level":(40|50)|interrupted/);
  });

  it('waiting for an agent without the API server fails until it is connected again', async () => {
    const agent = lab.agents.get('n2')!;
    await agent.disconnect();
    lab.apply([denyAll]);
    // It names the agent of n1 first, as long as that has not applied the policy either.
    await until(async () => {
      const error: unknown = await lab.settle(300).catch((cause: unknown) => cause);
      assert.equal((error as { code?: unknown }).code, 'timeout');
      return /the agent of n2 has applied networkpolicies 1-/.test((error as Error).message);
    });
    agent.reconnect();
    assert.deepEqual(await verdicts(), denied);
    allow();
  });
});
