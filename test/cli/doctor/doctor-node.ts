import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Context } from 'mocha';
import type { NodeReport } from '../../../src/doctor/report.ts';
import { AgentProcess } from '../../../src/lab/agent-process.ts';
import { startApiServer, type ApiServer } from '../../../src/lab/api/server.ts';
import { Store } from '../../../src/lab/api/store.ts';
import { kubeconfigText } from '../../../src/lab/kubeconfig.ts';
import { createNamespace, deleteNamespace, enterNamespace } from '../../../src/lab/network-namespace.ts';
import { relayUrl } from '../../../src/lab/relay.ts';
import { eventually } from '../../kernel/eventually.ts';
import { skipTest } from '../../support/skip.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** Of pods: `a` and `b` have devices of their own, `c` is on a bridge. */
export const addresses = { a: '10.244.1.2', b: '10.244.1.3', c: '10.244.1.130', remote: '10.244.2.2' } as const;

const layout = `
  sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  for pod in a b c; do
    ip link add veth-$pod type veth peer name pod-$pod
    ip link set veth-$pod up
    ip link set pod-$pod up
  done
  ip route add ${addresses.a} dev veth-a
  ip route add ${addresses.b} dev veth-b
  ip link add cni0 type bridge
  ip link set veth-c master cni0
  ip address add 10.244.1.129/25 dev cni0
  ip link set cni0 up
  ip neighbour add ${addresses.c} lladdr 02:00:00:00:00:0c dev cni0
  bridge fdb add 02:00:00:00:00:0c dev veth-c master static
`;

/** A node with a real agent, in a network namespace of its own, and an API server that has two nodes. */
export class DoctorNode {
  readonly agent: AgentProcess;
  readonly store: Store;
  readonly #name: string;
  readonly #folder: string;
  readonly #api: ApiServer;

  private constructor(name: string, folder: string, store: Store, api: ApiServer) {
    this.#name = name;
    this.#folder = folder;
    this.store = store;
    this.#api = api;
    this.agent = new AgentProcess({
      node: 'n1',
      namespace: name,
      directory: folder,
      cniCacheDirectory: this.cache,
      apiSocket: this.apiSocket,
      kubeconfig: kubeconfigText(relayUrl('http:')),
    });
  }

  static async open(context: Context): Promise<DoctorNode> {
    if (process.getuid?.() !== 0) skipTest(context, 'network namespaces need root');
    const name = `postern-doctor-${process.pid}`;
    await createNamespace(name);
    const folder = await mkdtemp(join(tmpdir(), 'postern-doctor-'));
    const store = new Store();
    fill(store);
    const api = await startApiServer({ store, socketPath: join(folder, 'api.sock') });
    const node = new DoctorNode(name, folder, store, api);
    await mkdir(node.cache, { recursive: true });
    await node.sh(layout);
    await node.agent.start();
    await node.becomesReady();
    return node;
  }

  addPod(name: string, ip: string, nodeName = 'n1'): void {
    addPod(this.store, name, ip, nodeName);
  }

  /** Notes the address of a pod as a container runtime does. Returns the file. */
  async noteSandbox(name: string, ip: string): Promise<string> {
    const { uid } = this.store.get('pods', { namespace: 'shop', name }).metadata;
    const file = join(this.cache, `net-${name}-eth0`);
    const cniArgs = Object.entries({ K8S_POD_NAMESPACE: 'shop', K8S_POD_NAME: name, K8S_POD_UID: uid });
    const head = { kind: 'cniCacheV1', networkName: 'net', containerId: name, ifName: 'eth0' };
    await writeFile(file, JSON.stringify({ ...head, cniArgs, result: { ips: [{ address: `${ip}/32` }] } }));
    return file;
  }

  /** The URL of the API server. */
  get apiSocket(): string {
    return join(this.#folder, 'api.sock');
  }

  /** The CNI result cache. */
  get cache(): string {
    return join(this.#folder, 'cni');
  }

  async becomesReady(): Promise<void> {
    await eventually(async () => ((await this.agent.isReady()) ? undefined : this.agent.logTail()));
  }

  /** Runs a shell script on the node; rejects if it fails. */
  async sh(script: string): Promise<string> {
    return (await execa(...enterNamespace(this.#name, 'sh', ['-ec', script]))).stdout;
  }

  /** Starts a program on the node that runs until its input ends. Resolves after its first output with a function that ends it. */
  async start(file: string, args: readonly string[]): Promise<() => Promise<void>> {
    const child = execa(...enterNamespace(this.#name, file, args), { reject: false });
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      void child.then(({ stderr }) => reject(new Error(`${file} ended: ${stderr}`)));
    });
    return async () => {
      child.kill('SIGKILL');
      await child;
    };
  }

  /** The output of `postern node doctor`. @param shell commands to run before it, in its own mount namespace */
  async ask({ args = [], path, shell = ':' }: AskOptions = {}): Promise<
    NodeReport & { readonly exitCode: number | undefined }
  > {
    const { exitCode, stdout, stderr } = await this.run(['-o', 'json', ...args], path, shell);
    if (stdout === '') throw new Error(stderr);
    return { ...(JSON.parse(stdout) as NodeReport), exitCode };
  }

  async run(args: readonly string[], path = '', shell = ':') {
    const kubeconfig = join(this.#folder, 'kubeconfig');
    const where = ['--node-name', 'n1', '--kubeconfig', kubeconfig, '--listen', `unix:${this.agent.socket}`];
    // Of the machine that the tests run on.
    const ignored = args.includes('--ignore') ? [] : ['--ignore', 'kernel-lookups'];
    const given = ['--cni-cache-dir', this.cache, ...ignored, ...args];
    const command = [process.execPath, main, 'node', 'doctor', ...where, ...given];
    const script = `${shell}; PATH=${path}$PATH exec "$@"`;
    const line = ['--mount', 'sh', '-ec', script, 'sh', ...command];
    return execa(...enterNamespace(this.#name, 'unshare', line), { reject: false });
  }

  /** A folder for the PATH with a program of this name. */
  async program(name: string, script: string): Promise<string> {
    const folder = await mkdtemp(join(this.#folder, 'path-'));
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
    return `${folder}:`;
  }

  async close(): Promise<void> {
    await this.agent.end();
    await this.#api.close();
    await deleteNamespace(this.#name);
    await rm(this.#folder, { recursive: true });
  }
}

export interface AskOptions {
  readonly args?: readonly string[];
  readonly path?: string;
  readonly shell?: string;
}

function fill(store: Store): void {
  for (const [name, podCIDR] of [
    ['n1', '10.244.1.0/24'],
    ['n2', '10.244.2.0/24'],
  ] as const) {
    store.create('nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { podCIDR, podCIDRs: [podCIDR] },
    });
  }
  store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  for (const [name, ip] of Object.entries(addresses)) addPod(store, name, ip, name === 'remote' ? 'n2' : 'n1');
  policy(store, 'both-ways', { podSelector: { matchLabels: { name: 'a' } }, policyTypes: ['Ingress', 'Egress'] });
  policy(store, 'inwards', { podSelector: { matchLabels: { name: 'c' } } });
}

function addPod(store: Store, name: string, ip: string, nodeName: string): void {
  const pod = store.create('pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name, labels: { name } },
    spec: { nodeName, containers: [{ name: 'main', image: 'x' }] },
  });
  store.updateStatus('pods', { ...pod, status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] } });
}

export function policy(store: Store, name: string, spec: object): void {
  const head = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
  store.create('networkpolicies', { ...head, metadata: { namespace: 'shop', name }, spec });
}
