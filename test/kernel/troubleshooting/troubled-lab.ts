import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import type { ApiObject } from '../../../src/lab/api/object.ts';
import { serveControl } from '../../../src/lab/control.ts';
import { kubeconfigText } from '../../../src/lab/kubeconfig.ts';
import { Lab } from '../../../src/lab/lab.ts';
import { enterNamespace } from '../../../src/lab/network-namespace.ts';
import { stationAddress } from '../../../src/lab/station.ts';
import type { Family } from '../../../src/model/address.ts';
import { AgentExec, main, type Container } from './agent-exec.ts';
import { readSlowness } from './dashboard.ts';
import { shop } from './shop.ts';
import { nameLab } from '../../support/lab-name.ts';
import { settleMs } from '../../support/time-factor.ts';

const name = nameLab('ktrouble');

export interface Said {
  readonly exitCode: number | undefined;
  /** Standard output, then standard error. */
  readonly text: string;
}

/** A lab in which faults are made, that end with `reset`, and somebody with a kubeconfig who asks. */
export class TroubledLab {
  readonly lab: Lab;
  /** Where commands run. */
  readonly folder: string;
  readonly #control: Server;
  readonly #agents: AgentExec;
  #mends: (() => unknown)[] = [];

  private constructor(lab: Lab, folder: string, control: Server, agents: AgentExec) {
    this.lab = lab;
    this.folder = folder;
    this.#control = control;
    this.#agents = agents;
  }

  /** Does not wait for pods. */
  static async open(): Promise<TroubledLab> {
    const folder = await mkdtemp(join(tmpdir(), 'postern-trouble-'));
    const lab = await Lab.up({ name, stateRoot: join(folder, 'state'), objects: shop, settleMs });
    const control = await serveControl(lab, lab.state.controlSocket);
    const agents = await AgentExec.serve(lab);
    const troubled = new TroubledLab(lab, folder, control, agents);
    const config = JSON.parse(kubeconfigText(agents.url)) as { contexts: [{ context: object }] };
    Object.assign(config.contexts[0].context, { namespace: 'shop' });
    await writeFile(join(folder, 'kubeconfig'), JSON.stringify(config));
    return troubled;
  }

  /** Runs a command line of the page; `postern probe` is told that it is in a lab. Where the page has a link, it is followed. */
  async ask(line: string): Promise<Said> {
    if (line.startsWith('[the dashboard]')) return { exitCode: 0, text: await readSlowness(this.lab) };
    const [program, ...words] = line.split(' ') as [string, ...string[]];
    const where = words[0] === 'probe' ? ['--lab', '--name', name, '--state-dir', join(this.folder, 'state')] : [];
    const [file, args] = program === 'postern' ? [process.execPath, [main, ...words, ...where]] : [program, words];
    const env = { KUBECONFIG: join(this.folder, 'kubeconfig'), HOME: this.folder };
    const { exitCode, stdout, stderr } = await execa(file, args, { cwd: this.folder, env, reject: false });
    return { exitCode, text: `${stdout}\n${stderr}` };
  }

  address(station: string, family: Family): string {
    return stationAddress(this.lab.station(station), family)!;
  }

  async apply(...objects: readonly ApiObject[]): Promise<void> {
    this.lab.apply(objects);
    await this.lab.settle();
  }

  /** A pod is made anew, as its spec cannot be changed. */
  async replacePod(pod: ApiObject): Promise<void> {
    const { namespace, name } = pod.metadata;
    const own = shop.find((each) => each.kind === 'Pod' && each.metadata.name === name)!;
    const put = (next: ApiObject): Promise<void> => {
      this.lab.store.delete('pods', { namespace, name: name! }, { gracePeriodSeconds: 0 });
      return this.apply(next);
    };
    this.mend(() => put(own));
    await put(pod);
  }

  /** What `reset` does; the last fault is mended first. */
  mend(how: () => unknown): void {
    this.#mends.push(how);
  }

  /** A fault by shell scripts on a node. */
  async make(node: string, fault: string, mend: string): Promise<void> {
    const run = (script: string) => this.lab.exec(`node/${node}`, 'sh', '-ec', script);
    this.mend(() => run(mend));
    await run(fault);
  }

  /** A table of another program. */
  async addTable(node: string, chains: string): Promise<void> {
    await this.make(node, `nft -f - <<'end'\ntable inet theirs {\n${chains}\n}\nend`, 'nft delete table inet theirs');
  }

  /** A program of Node on a node, that says when it is ready. */
  async start(node: string, program: string): Promise<void> {
    const child = execa(...enterNamespace(this.lab.names.node(node), process.execPath, ['-e', program]), {
      reject: false,
    });
    this.mend(async () => {
      child.kill('SIGKILL');
      await child;
    });
    await Promise.race([once(child.stdout, 'data'), child.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  }

  /** In the container of the agent of a node. */
  contain(node: string, container: Container): void {
    this.#agents.containers.set(node, container);
    this.mend(() => this.#agents.containers.delete(node));
  }

  /** A folder for a PATH with a program of this name. */
  async addProgram(program: string, script: string): Promise<string> {
    const folder = await mkdtemp(join(this.folder, 'path-'));
    await writeFile(join(folder, program), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, program), 0o755);
    return `${folder}${delimiter}`;
  }

  /** As when it came up, but for what runs in it, and for what has been noted for a minute. */
  async reset(): Promise<void> {
    for (const mend of this.#mends.toReversed()) await mend();
    this.#mends = [];
    // An agent that comes back to an empty list would hold it for 30 s (S7.18).
    await this.lab.settle();
    const { store } = this.lab;
    for (const resource of ['networkpolicies', 'clusternetworkpolicies'] as const) {
      for (const { metadata } of store.list(resource).items) {
        store.delete(resource, { namespace: metadata.namespace, name: metadata.name! });
      }
    }
    this.lab.apply(shop.filter(({ kind }) => kind === 'Pod'));
    await this.lab.settle();
  }

  async close(): Promise<void> {
    await this.#agents.close();
    this.#control.close();
    await this.lab.down();
    await rm(this.folder, { recursive: true });
  }
}
