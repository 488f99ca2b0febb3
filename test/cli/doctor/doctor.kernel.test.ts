import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { kubeconfigText } from '../../../src/lab/kubeconfig.ts';
import { startExecServer, type ExecServer, type ExecSession } from '../../watch/exec-server.ts';
import { DoctorNode } from './doctor-node.ts';
import { asAgent } from '../../support/agent-pod.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** The whole way, but for the kubelet: command, API server, `pods/exec`, and the real doctor beside a real agent. */
describe('postern doctor', function () {
  this.timeout(180_000);
  let node: DoctorNode;
  let server: ExecServer;
  let folder: string;

  before(async function () {
    node = await DoctorNode.open(this);
    addAgentPod('n1', 'Running');
    server = await startExecServer({ run: (session) => void runInAgent(session), serve: passOn });
    folder = await mkdtemp(join(tmpdir(), 'postern-doctor-'));
    await writeFile(join(folder, 'kubeconfig'), kubeconfigText(server.url));
  });
  after(async () => {
    await server?.close();
    await node?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  function addAgentPod(nodeName: string, phase: string): void {
    const containers = [{ name: 'agent', image: 'x', args: ['agent'] }];
    const pod = node.store.create(
      'pods',
      asAgent({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: 'kube-system', name: `postern-${nodeName}` },
        spec: { nodeName, containers },
      }),
    );
    node.store.updateStatus('pods', { ...pod, status: { phase } });
  }

  async function runInAgent(session: ExecSession): Promise<void> {
    const [program, ...args] = session.url.searchParams.getAll('command');
    assert.deepEqual([program, ...args.slice(0, 2)], ['postern', 'node', 'doctor']);
    const { stdout, stderr, exitCode } = await node.run(args.slice(2));
    session.send(1, stdout);
    session.send(2, stderr);
    session.exit(exitCode ?? 137);
  }

  function passOn(asked: IncomingMessage, response: ServerResponse): void {
    const options = { socketPath: node.apiSocket, path: asked.url, headers: asked.headers };
    request(options, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    }).end();
  }

  const doctor = (...args: string[]) => {
    const line = [main, 'doctor', '--kubeconfig', join(folder, 'kubeconfig'), ...args];
    return execa(process.execPath, line, { reject: false });
  };

  it('finds nothing on a healthy node, and prints its progress', async () => {
    const { stdout, stderr, exitCode } = await doctor('--node', 'n1');
    assert.deepEqual([exitCode, stderr], [0, 'asking one node\nn1: no findings (1 of 1)']);
    assert.match(stdout, /^not checked: on n1, the mode of kube-proxy: .*\n1 node answered: no findings$/);
  });

  it('reports each node, as text and as JSON', async () => {
    await node.sh('iptables-nft -P FORWARD DROP');
    try {
      const text = await doctor('--timeout', '30');
      assert.equal(text.exitCode, 1);
      assert.match(text.stdout, /^error: node n2 \(no-agent\)$/m);
      assert.match(text.stdout, /^on n1: warning: table ip filter \(foreign-drop\)$/m);
      assert.match(text.stdout, /1 node answered: 2 findings$/);
      const { stdout, exitCode } = await doctor('-o', 'json', '--ignore', 'no-agent');
      const { findings, nodes } = JSON.parse(stdout) as Record<
        string,
        { check?: string; nodes?: string[]; node?: string }[]
      >;
      assert.equal(exitCode, 1);
      assert.deepEqual(
        findings?.map((each) => [each.check, each.nodes]),
        [['foreign-drop', ['n1']]],
      );
      assert.deepEqual(
        nodes?.map((each) => each.node),
        ['n1'],
      );
      assert.equal((await doctor('--ignore', 'no-agent,foreign-drop')).exitCode, 0);
    } finally {
      await node.sh('iptables-nft -P FORWARD ACCEPT');
    }
  });

  it('finds a pod with a probe that names a host', async () => {
    const at = { namespace: 'shop', name: 'probing' };
    const container = { name: 'main', image: 'x', livenessProbe: { tcpSocket: { port: 80, host: '10.244.1.2' } } };
    node.store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: at,
      spec: { nodeName: 'n2', containers: [container] },
    });
    try {
      const { stdout, exitCode } = await doctor('--ignore', 'no-agent');
      assert.equal(exitCode, 1);
      assert.match(
        stdout,
        /^warning: pod shop\/probing \(probe-host\)\n.*livenessProbe\.tcpSocket\.host is "10\.244\.1\.2"$/m,
      );
    } finally {
      node.store.delete('pods', at, { gracePeriodSeconds: 0 });
    }
  });

  for (const [what, args, message] of [
    [
      'a node that there is not',
      ['--node', 'n7'],
      /^postern: --node: node "n7" has no agent; nodes with an agent: n1$/m,
    ],
    [
      'agents that are not there',
      ['--agent-namespace', 'default'],
      /^postern: --agent-namespace: no agent of Postern is in namespace "default"/m,
    ],
    ['no time', ['--timeout', '0'], /^postern: --timeout: "0" is not a number of seconds, 1 or more$/m],
    [
      'a check that there is not',
      ['--ignore', 'no-agent,clok'],
      /^postern: --ignore: unknown check "clok"; known checks: /m,
    ],
    ['a context that there is not', ['--context', 'x'], /^postern: --context: the kubeconfig has no context "x"/m],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { exitCode, stdout, stderr } = await doctor(...args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.match(stderr, message);
    });
  }
});
