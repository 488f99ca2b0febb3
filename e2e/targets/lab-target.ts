import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { fileURLToPath } from 'node:url';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import { Lab } from '../../src/lab/lab.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { RealClient } from '../../src/lab/real/client.ts';
import type { Target } from './target.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A new lab. Its agents report what they have applied, so it needs no canaries. */
export async function openLabTarget(): Promise<Target> {
  const lab = await Lab.up({ name: 'e2e', nodes: 2, family: 'dual', tcp: true });
  const directory = await mkdtemp(join(tmpdir(), 'postern-e2e-'));
  const kubeconfig = join(directory, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText(lab.apiUrl!));
  const [first, second] = lab.plan.nodes;
  return {
    name: 'the lab',
    api: await RealClient.load(kubeconfig),
    nodes: [first!.name, second!.name],
    hasKubelet: false,
    prepare: async () => {},
    settle: () => lab.settle(),
    station: (key) => lab.station(key),
    async restartAgents() {
      await Promise.all([...lab.agents.values()].map((agent) => agent.restart()));
      await lab.settle();
    },
    changeVersion: undefined,
    async uninstall() {
      for (const [node, agent] of lab.agents) {
        await agent.stop();
        await execa(...enterNamespace(lab.names.node(node), process.execPath, [main, 'uninstall']));
      }
    },
    async end() {
      await lab.down();
      await rm(directory, { recursive: true });
    },
  };
}
