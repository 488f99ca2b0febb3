import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Lab } from '../../../src/lab/lab.ts';
import { enterNamespace } from '../../../src/lab/network-namespace.ts';
import { startExecServer, type ExecServer, type ExecSession } from '../../watch/exec-server.ts';

export const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** How a container of an agent is other than the machine that the lab runs on. */
export interface Container {
  /** Before the PATH. */
  path?: string;
  /** A shell script that runs first, with mounts of its own. */
  mount?: string;
  /** Of what a program prints. */
  change?: (printed: string) => string;
}

/** The API server of a lab, with `pods/exec` into the agents: it runs on the node, in the environment of its agent. */
export class AgentExec {
  readonly containers = new Map<string, Container>();
  readonly #lab: Lab;
  #server: ExecServer | undefined;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  static async serve(lab: Lab): Promise<AgentExec> {
    const exec = new AgentExec(lab);
    exec.#server = await startExecServer({ run: (session) => void exec.#run(session), serve: exec.#passOn });
    return exec;
  }

  get url(): string {
    return this.#server!.url;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  readonly #passOn = (asked: IncomingMessage, response: ServerResponse): void => {
    const { url, method, headers } = asked;
    const onward = request({ socketPath: this.#lab.state.apiSocket, path: url, method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    asked.pipe(onward);
  };

  async #run(session: ExecSession): Promise<void> {
    const node = /\/pods\/postern-([^/]+)\/exec$/.exec(session.url.pathname)![1]!;
    const [, ...args] = session.url.searchParams.getAll('command');
    const { state, names } = this.#lab;
    const directory = state.nodeDirectory(node);
    const { path = '', mount = ':', change = (printed: string) => printed } = this.containers.get(node) ?? {};
    const env = {
      POSTERN_NODE_NAME: node,
      POSTERN_KUBECONFIG: join(directory, 'kubeconfig'),
      POSTERN_LISTEN: `unix:${join(directory, 'agent.sock')}`,
      POSTERN_CNI_CACHE_DIR: join(state.cniDirectory(node), 'results'),
      PATH: `${path}${process.env['PATH']}`,
    };
    const line = ['--mount', 'sh', '-ec', `${mount}; exec "$@"`, 'sh', process.execPath, main, ...args];
    const ran = await execa(...enterNamespace(names.node(node), 'unshare', line), { env, reject: false });
    session.send(1, change(ran.stdout));
    session.send(2, ran.stderr);
    session.exit(ran.exitCode ?? 137);
  }
}
