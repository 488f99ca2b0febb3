import { readFlag, readRequired, type FlagValues } from './agent-config.ts';
import { agentFlags, directoryOf } from './flags.ts';
import type { Listen } from './listen.ts';

/** How the doctor finds the node's agent and records. It runs in the agent's container and uses the agent's settings. */
export interface DoctorConfig {
  readonly nodeName: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly listen: Listen;
  readonly cniCacheDir: string | undefined;
}

/** Throws a ConfigError for the first invalid setting. */
export function readDoctorConfig(
  values: Pick<FlagValues, 'nodeName' | 'kubeconfig' | 'listen' | 'cniCacheDir'>,
  env: NodeJS.ProcessEnv = process.env,
): DoctorConfig {
  return {
    nodeName: readFlag(agentFlags.nodeName, values.nodeName, env),
    kubeconfig: readFlag(agentFlags.kubeconfig, values.kubeconfig, env),
    listen: readRequired(agentFlags.listen, values.listen, env),
    cniCacheDir: directoryOf(readRequired(agentFlags.cniCacheDir, values.cniCacheDir, env)),
  };
}
