import type { KubeConfig } from '@kubernetes/client-node';
import { ConfigError } from '../config/config-error.ts';
import { readKubeconfigFiles } from '../config/kubeconfig-files.ts';
import { loadKubeConfig } from '../watch/api-client.ts';

/** The kubeconfig, at the context of this name. Rejects with a ConfigError where it has none of that name. */
export async function loadContext(file: string | undefined, context: string | undefined): Promise<KubeConfig> {
  const config = await loadKubeConfig(file ?? readKubeconfigFiles());
  if (context === undefined) return config;
  const known = config.getContexts().map(({ name }) => name);
  if (!known.includes(context)) {
    const has = known.join(', ');
    throw new ConfigError(`--context: there is no ${JSON.stringify(context)} in the kubeconfig; it has ${has}`);
  }
  config.setCurrentContext(context);
  return config;
}
