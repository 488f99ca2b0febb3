import type { KubeConfig } from '@kubernetes/client-node';
import { ConfigError } from '../config/config-error.ts';
import { readKubeconfigFiles } from '../config/kubeconfig-files.ts';
import { loadKubeConfig } from '../watch/api-client.ts';

/** Loads the kubeconfig and selects the context. Rejects with a ConfigError if it has no such context. */
export async function loadContext(file: string | undefined, context: string | undefined): Promise<KubeConfig> {
  const config = await loadKubeConfig(file ?? readKubeconfigFiles());
  if (context === undefined) return config;
  const known = config.getContexts().map(({ name }) => name);
  if (!known.includes(context)) {
    const has = known.join(', ');
    throw new ConfigError(`--context: the kubeconfig has no context ${JSON.stringify(context)}; it has ${has}`);
  }
  config.setCurrentContext(context);
  return config;
}
