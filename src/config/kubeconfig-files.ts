import { delimiter } from 'node:path';

/** The files that KUBECONFIG names; none where it says nothing. */
export function readKubeconfigFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  return (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
}
