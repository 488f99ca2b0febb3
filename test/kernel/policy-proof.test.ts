import { deepEqual, equal, fail, match } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { statusCommand } from '../../src/cli/commands/status.ts';
import { waitCommand } from '../../src/cli/commands/wait.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { ResourceName } from '../../src/lab/api/resources.ts';
import { Lab } from '../../src/lab/lab.ts';
import { pod } from '../lab/objects.ts';
import { agentPod } from '../support/agent-pod.ts';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';
import { nameLab } from '../support/lab-name.ts';
import { settleMs } from '../support/time-factor.ts';
import { needMachine } from './cluster.ts';
import { block, port } from './policies.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const nodes = ['n1', 'n2'];
const web = (numbers: readonly number[]): ApiObject => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'x', name: 'web' },
  spec: { podSelector: {}, ingress: [{ ports: numbers.map((number) => ({ port: number })) }] },
});

/** The agents of a lab are no pods: an API server of the tests has pods for them, and runs the commands. */
describe('postern wait and status (kernel)', function () {
  this.timeout(180_000);
  let lab: Lab;
  let server: ExecServer;
  let folder: string;
  before(async function () {
    await needMachine(this, 'ptp');
    folder = await mkdtemp(join(tmpdir(), 'postern-proof-'));
    const objects = [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
      ...nodes.map((node) => pod('x', `on-${node}`, ['TCP/80'], { nodeName: node })),
      pod('x', 'host', ['TCP/9100'], { nodeName: 'n1', hostNetwork: true }),
    ];
    lab = await Lab.up({ name: nameLab('kproof'), cni: 'ptp', nodes: 2, objects, settleMs });
    await lab.settle();
    server = await startExecServer(runInAgent, lists());
    await writeFile(join(folder, 'config'), server.config.exportConfig());
  });
  after(async () => {
    await server?.close();
    await lab?.down();
    if (folder) await rm(folder, { recursive: true });
  });

  /** As of each request. */
  function lists(): Record<string, object> {
    const items = (resource: ResourceName): readonly object[] => lab.store.list(resource).items;
    const group = '/apis/policy.networking.k8s.io';
    const paths: Record<string, () => object> = {
      '/api/v1/namespaces': () => items('namespaces'),
      '/api/v1/nodes': () => items('nodes'),
      '/api/v1/pods': () => [...items('pods'), ...nodes.map((node) => agentPod(node))],
      '/apis/networking.k8s.io/v1/networkpolicies': () => items('networkpolicies'),
      [group]: () => ({ preferredVersion: { version: 'v1alpha2' } }),
      [`${group}/v1alpha2`]: () => ({ resources: [{ name: 'clusternetworkpolicies' }] }),
      [`${group}/v1alpha2/clusternetworkpolicies`]: () => items('clusternetworkpolicies'),
    };
    return new Proxy({}, { get: (_, path: string) => paths[path]?.() });
  }

  async function runInAgent(path: string): Promise<ExecAnswer> {
    const agent = lab.agents.get(/agent-(n[0-9])/.exec(path)![1]!)!;
    const args = [main, 'node', 'policies', '-o', 'json', '--listen', `unix:${agent.socket}`];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        resolve({ stdout: [stdout], stderr, exitCode: error ? Number(error.code) : 0 });
      });
    });
  }

  const run = (command: typeof waitCommand | typeof statusCommand, ...args: string[]): Promise<CommandAnswer> =>
    runCommandLine(command, ['--kubeconfig', join(folder, 'config'), ...args]);
  const wait = (seconds = 60): Promise<CommandAnswer> => run(waitCommand, 'x/web', '--timeout', String(seconds));
  /** A busy machine may leave an agent without an answer for a round, so this asks until the line is there. */
  const lagsWith = async (line: RegExp, { butNot = /^$/ } = {}): Promise<void> => {
    for (const deadline = Date.now() + settleMs; ;) {
      const { code, notes } = await wait(1);
      equal(code, 1, notes);
      if (line.test(notes) && !butNot.test(notes)) return;
      if (Date.now() > deadline) fail(notes);
    }
  };
  const waitsWell = async (): Promise<void> => {
    const { code, out, notes } = await wait();
    deepEqual([code, out], [0, '1 policy enforced on every node with pods that they select\n'], notes);
  };

  it('end well when both kernels hold the policy, and name a pod on the host network', async () => {
    lab.apply([web([80])]);
    const { code, out, notes } = await wait();
    deepEqual([code, out], [0, '1 policy enforced on every node with pods that they select\n'], notes);
    match(notes, /^pod x\/host on n1: it is on the network of its node, where policies do not apply \(x\/web\)$/m);
    const { out: table } = await run(statusCommand, '-n', 'x');
    match(table, /^x\/web +1 +2\/2 +2 +enforced$/m);
  });

  it('name the node of an agent that is stuck, and end well when it goes on', async () => {
    const { pid } = lab.agents.get('n2')!;
    process.kill(pid!, 'SIGSTOP');
    try {
      lab.apply([web([80, 81])]);
      const { code, out, notes } = await wait(20);
      deepEqual([code, out], [1, '']);
      match(notes, /^node n2: .*(the agent does not answer at unix:|no answer within)/m);
      equal(/^node n1:/m.test(notes), false, notes);
      match(notes, /postern: not enforced within 20 s: 0 of 1 policy/);
    } finally {
      process.kill(pid!, 'SIGCONT');
    }
    await waitsWell();
  });

  it('name the node of an agent that does not run, and end well when it runs again', async () => {
    const agent = lab.agents.get('n2')!;
    await agent.stop();
    // The rules stay, and yet nobody knows.
    await lagsWith(/^node n2: .*the agent does not answer at unix:/m);
    await agent.start();
    await waitsWell();
  });

  it('name the node of an agent without API server, with what its kernel holds', async () => {
    const agent = lab.agents.get('n2')!;
    await agent.disconnect();
    lab.apply([web([80, 81, 82])]);
    await lagsWith(/^node n2: its kernel holds generation 2, not 3 \(x\/web\)$/m);
    agent.reconnect();
    await waitsWell();
  });

  it('do not take a policy of the same name for the one that was deleted', async () => {
    const agent = lab.agents.get('n2')!;
    await agent.disconnect();
    for (let generation = 1; generation <= 3; generation++) {
      if (generation === 1) lab.store.delete('networkpolicies', { namespace: 'x', name: 'web' });
      lab.apply([web([80 + generation])]);
    }
    await lagsWith(/^node n2: its kernel holds a policy of the same name that has been deleted \(x\/web\)$/m);
    agent.reconnect();
    await waitsWell();
  });

  it('name a node that leaves the rules out, because they are too large', async () => {
    const agent = lab.agents.get('n2')!;
    await agent.restart({ args: ['--namespace-budget', '10000'] });
    const from = Array.from({ length: 2000 }, (_, index) => block(`10.60.${index >> 7}.${2 * (index & 127)}/32`));
    lab.apply([{ ...web([]), spec: { podSelector: {}, ingress: [{ from, ports: [port('TCP/80')] }] } }]);
    await lab.settle();
    await lagsWith(/^node n2: it leaves its rules out, because they cost the node too much/m, { butNot: /^node n1:/m });
    await agent.restart();
    await waitsWell();
  });
});
