import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../scripts/image/bundle.ts';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import {
  createNamespace,
  deleteNamespace,
  enterNamespace,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { writePages } from '../cluster/list-pages.ts';
import { clusterObjects } from '../cluster/objects.ts';
import type { Shape } from '../cluster/shapes.ts';
import { CountedNft } from './counted-nft.ts';
import { ImageAgent } from './image-agent.ts';
import { makeSandboxes } from './sandboxes.ts';

const namespace = 'bench-postern-agent';
const apiServer = fileURLToPath(new URL('api-server.ts', import.meta.url));
const port = '8001';

/** A node in a network namespace: pods' devices, an API server on its loopback, the bundled program; without an agent. */
export class BenchNode {
  readonly #nodeName: string;
  readonly #directory: string;
  readonly nft: CountedNft;
  #server: ChildProcess | undefined;

  private constructor(nodeName: string, directory: string, nft: CountedNft) {
    this.#nodeName = nodeName;
    this.#directory = directory;
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
      writePages(objects(), directory);
      await writeFile(join(directory, 'kubeconfig'), kubeconfigText(`http://127.0.0.1:${port}`));
      await deleteNamespace(namespace).catch(() => {});
      await createNamespace(namespace, routerSysctls);
      await makeSandboxes(objects(), nodeName, namespace, join(directory, 'cni'));
      node.#server = spawn(...enterNamespace(namespace, process.execPath, [apiServer, directory, port]), {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(node.#server.stdout!, 'data');
      return node;
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  get #program(): string {
    return join(this.#directory, 'postern.mjs');
  }

  /** Sends the event to all watches. */
  tell(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: object): void {
    this.#server!.stdin!.write(`${JSON.stringify({ type, object })}\n`);
  }

  /** Runs nft in the namespace and returns its output. */
  nftOutput(...args: readonly string[]): Promise<string> {
    return runInNamespace(namespace, 'nft', args);
  }

  startAgent(): ImageAgent {
    return new ImageAgent({
      program: this.#program,
      nodeName: this.#nodeName,
      namespace,
      kubeconfig: join(this.#directory, 'kubeconfig'),
      cacheDirectory: join(this.#directory, 'cni'),
      stateDirectory: join(this.#directory, 'state'),
      directory: this.#directory,
      path: this.nft.path,
    });
  }

  /** Stops all processes in the namespace. */
  async down(): Promise<void> {
    await deleteNamespace(namespace).catch(() => {});
    await rm(this.#directory, { recursive: true, force: true });
  }
}
