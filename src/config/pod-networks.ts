import { readRequired } from './agent-config.ts';
import { agentFlags, directoryOf } from './flags.ts';

/** The results directory of libcni's cache if the agent of this node enforces inside of pods. A command in the agent's pod has its variables. */
export function readPodNetworks(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (!readRequired(agentFlags.podNetworks, undefined, env)) return undefined;
  return directoryOf(readRequired(agentFlags.cniCacheDir, undefined, env));
}
