import { delimiter } from 'node:path';

/** The files that KUBECONFIG names. */
export function readKubeconfigFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  return (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
}
