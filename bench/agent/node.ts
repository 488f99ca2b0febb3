import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';
import { bundle } from '../../scripts/image/bundle.ts';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import {
  createNamespace,
  deleteNamespace,
  enterNamespace,
  listNamespaces,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { writePages } from '../cluster/list-pages.ts';
import { clusterObjects } from '../cluster/objects.ts';
import type { Shape } from '../cluster/shapes.ts';
import { imageEnvironment } from '../image-flags.ts';
import { CommitWatch } from '../kernel/commit-watch.ts';
import { LineProcess } from '../line-process.ts';
import { makeCertificate } from './certificate.ts';
import { CountedNft } from './counted-nft.ts';
import { ImageAgent } from './image-agent.ts';
import { makeSandboxes, openSandbox, type LocalPod } from './sandboxes.ts';
import { ServerObjects, type EventType } from './server-objects.ts';

const namespace = 'bench-postern-agent';
const apiServer = fileURLToPath(new URL('api-server.ts', import.meta.url));
const port = '8001';

/** A node in a network namespace: pods' devices, an API server with TLS on its loopback, the bundled program; without an agent. */
export class BenchNode {
  readonly #nodeName: string;
  /** Removed with the node. */
  readonly directory: string;
  /** Its network namespace. */
  readonly namespace = namespace;
  readonly nft: CountedNft;
  #server: LineProcess | undefined;
  #isServing = false;
  readonly #objects = new ServerObjects();
  /** Number of events. */
  #events = 0;
  /** When the server wrote each event to its watches. */
  readonly #sent: number[] = [];

  private constructor(nodeName: string, directory: string, nft: CountedNft) {
    this.#nodeName = nodeName;
    this.directory = directory;
    this.nft = nft;
  }

  static up(shape: Shape): Promise<BenchNode> {
    return BenchNode.of(shape.nodeName, () => clusterObjects(shape));
  }

  static async of(nodeName: string, objects: () => Iterable<object>): Promise<BenchNode> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
    const node = new BenchNode(nodeName, directory, await CountedNft.create(join(directory, 'bin')));
    try {
      await bundle(node.#program, join(directory, 'licences'));
      writePages(node.#objects.listed(objects()), directory);
      const { certificate } = await makeCertificate(directory);
      await writeFile(join(directory, 'kubeconfig'), kubeconfigText(`https://127.0.0.1:${port}`, certificate));
      await deleteNamespaces();
      await createNamespace(namespace, routerSysctls);
      await node.makeSandboxes(objects());
      await node.#serve();
      return node;
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  get #program(): string {
    return join(this.directory, 'postern.mjs');
  }

  async #serve(): Promise<void> {
    const command = enterNamespace(namespace, process.execPath, [apiServer, this.directory, port]);
    this.#server = new LineProcess(command, (line) => {
      if (this.#isServing) this.#sent.push(Number(line));
      else this.#isServing = line === 'ready';
    });
    await this.#server.until(() => this.#isServing);
  }

  /** The devices and the CNI results of the objects' pods that are on this node. */
  makeSandboxes(objects: Iterable<object>): Promise<void> {
    return makeSandboxes(objects, this.#nodeName, namespace, join(this.directory, 'cni'));
  }

  /** Gives the pod, which has a sandbox, a network namespace of its own. Returns its name. */
  async openSandbox(pod: LocalPod): Promise<string> {
    const own = `${namespace}-${pod.metadata.uid.slice(0, 8)}`;
    await openSandbox(pod, namespace, own);
    return own;
  }

  /** Sends the event to all watches. Returns its number among all events. */
  tell(type: EventType, object: object): number {
    this.#server!.post(JSON.stringify({ type, object: this.#objects.write(type, object) }));
    return this.#events++;
  }

  /** When the server wrote the event to the watches, in milliseconds of CLOCK_MONOTONIC. */
  async sentAt(event: number): Promise<number> {
    await this.#server!.until(() => this.#sent.length > event);
    return this.#sent[event]!;
  }

  /** Whether the agent has applied all events. Some of its transactions may follow: those that delete what no packet meets any more. */
  async hasApplied(agent: ImageAgent): Promise<boolean> {
    return isDeepStrictEqual(await agent.applied(), this.#objects.versions);
  }

  /** Runs the command on the node, in the environment of the image. Resolves with its processor time in milliseconds; rejects if it fails. */
  async processorOf(command: readonly string[]): Promise<number> {
    const [file, args] = enterNamespace(namespace, 'sh', ['-ec', '"$@" >/dev/null; times', 'sh', ...command]);
    const { stdout } = await execa(file, args, { env: imageEnvironment });
    // `times` of sh(1) prints a line for the shell and one for its children: user and system time, as 0m0.123s.
    const [, children = ''] = stdout.split('\n');
    const seconds = Array.from(
      children.matchAll(/(\d+)m([\d.]+)s/g),
      ([, whole, rest]) => 60 * Number(whole) + Number(rest),
    );
    if (seconds.length !== 2) throw new Error(`times printed ${stdout}`);
    return 1000 * (seconds[0]! + seconds[1]!);
  }

  watchCommits(): Promise<CommitWatch> {
    return CommitWatch.start(namespace, this.directory);
  }

  /** Runs nft in the namespace and returns its output. */
  nftOutput(...args: readonly string[]): Promise<string> {
    return runInNamespace(namespace, 'nft', args);
  }

  /** @param countsNft The agent runs `nft` by the wrapper, which costs time of its own. */
  startAgent({ countsNft = false } = {}): ImageAgent {
    return new ImageAgent({
      program: this.#program,
      nodeName: this.#nodeName,
      namespace,
      kubeconfig: join(this.directory, 'kubeconfig'),
      cacheDirectory: join(this.directory, 'cni'),
      stateDirectory: join(this.directory, 'state'),
      directory: this.directory,
      path: countsNft ? this.nft.path : process.env['PATH']!,
    });
  }

  /** Stops all processes in the namespace. */
  async down(): Promise<void> {
    await deleteNamespaces();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Those of the node and of its pods. */
async function deleteNamespaces(): Promise<void> {
  for (const name of await listNamespaces(namespace)) await deleteNamespace(name);
}
