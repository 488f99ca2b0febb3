import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../scripts/image/bundle.ts';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import { createNamespace, deleteNamespace, enterNamespace, routerSysctls } from '../../src/lab/network-namespace.ts';
import { writeListPages } from '../cluster/list-pages.ts';
import type { Shape } from '../cluster/shapes.ts';
import { CountedNft } from './counted-nft.ts';
import { ImageAgent } from './image-agent.ts';
import { makeSandboxes } from './sandboxes.ts';

const namespace = 'bench-postern-agent';
const apiServer = fileURLToPath(new URL('api-server.ts', import.meta.url));
const port = '8001';

/** A node of the cluster in a network namespace: pods' devices, the API server on its loopback, the program of the image, and no agent yet. */
export class BenchNode {
  readonly #shape: Shape;
  readonly #directory: string;
  readonly nft: CountedNft;
  #server: ChildProcess | undefined;

  private constructor(shape: Shape, directory: string, nft: CountedNft) {
    this.#shape = shape;
    this.#directory = directory;
    this.nft = nft;
  }

  static async up(shape: Shape): Promise<BenchNode> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
    const node = new BenchNode(shape, directory, await CountedNft.create(join(directory, 'bin')));
    try {
      await bundle(node.#program, join(directory, 'licences'));
      writeListPages(shape, directory);
      await writeFile(join(directory, 'kubeconfig'), kubeconfigText(`http://127.0.0.1:${port}`));
      await deleteNamespace(namespace).catch(() => {});
      await createNamespace(namespace, routerSysctls);
      await makeSandboxes(shape, namespace, join(directory, 'cni'));
      node.#server = spawn(...enterNamespace(namespace, process.execPath, [apiServer, directory, port]), {
        stdio: ['ignore', 'pipe', 'inherit'],
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

  startAgent(): ImageAgent {
    return new ImageAgent({
      program: this.#program,
      nodeName: this.#shape.nodeName,
      namespace,
      kubeconfig: join(this.#directory, 'kubeconfig'),
      cacheDirectory: join(this.#directory, 'cni'),
      stateDirectory: join(this.#directory, 'state'),
      directory: this.#directory,
      path: this.nft.path,
    });
  }

  /** Ends what runs there. */
  async down(): Promise<void> {
    await deleteNamespace(namespace).catch(() => {});
    await rm(this.#directory, { recursive: true, force: true });
  }
}
