import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubeconfigText } from '../../../../src/lab/kubeconfig.ts';
import { startKubeApiserver } from '../../../watch/kube-apiserver.ts';
import { ApiCaller } from '../api-caller.ts';
import { Kubectl } from '../kubectl.ts';
import { RunningServer } from '../running-server.ts';

/** A server of which the contract is asked. */
export interface TestedServer {
  readonly api: ApiCaller;
  readonly kubectl: Kubectl;
  readonly isReal: boolean;
  close(): Promise<void>;
}

const assets = process.env['KUBEBUILDER_ASSETS'];

/** The lab's server, and a real one if KUBEBUILDER_ASSETS names a folder with kube-apiserver and etcd. */
export const testedServers: readonly (readonly [name: string, start: () => Promise<TestedServer>])[] = [
  ['the API server of the lab', startLabServer],
  ...(assets ? [[`kube-apiserver of ${assets}`, () => startRealServer(assets)] as const] : []),
];

async function startLabServer(): Promise<TestedServer> {
  const server = await RunningServer.start();
  const kubectl = await Kubectl.of(server.folder, kubeconfigText(server.url));
  return { api: server, kubectl, isReal: false, close: () => server.close() };
}

async function startRealServer(folder: string): Promise<TestedServer> {
  const server = await startKubeApiserver(folder);
  const options: RequestOptions = {};
  await server.config.applyToHTTPSOptions(options);
  const { protocol, hostname, port } = new URL(server.config.getCurrentCluster()!.server);
  const home = await mkdtemp(join(tmpdir(), 'postern-kubectl-'));
  return {
    api: new ApiCaller({ ...options, protocol, hostname, port }),
    kubectl: await Kubectl.of(home, server.config.exportConfig()),
    isReal: true,
    close: async () => {
      await server.close();
      await rm(home, { recursive: true });
    },
  };
}
