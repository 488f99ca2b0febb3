import { openClusterTarget } from './cluster-target.ts';
import { openLabTarget } from './lab-target.ts';
import type { Target } from './target.ts';

/** Image of the suite's pods on a cluster. */
export const image = process.env['E2E_IMAGE'] ?? 'docker.io/library/python:3.13-alpine';

/** The cluster of KUBECONFIG, else a new lab. */
export async function openTarget(ownNamespaces: () => readonly string[]): Promise<Target> {
  const { KUBECONFIG: kubeconfig, E2E_DAEMONSET: daemonSet = 'postern-system/postern' } = process.env;
  const { E2E_UNINSTALL, E2E_OTHER_IMAGE } = process.env;
  if (!kubeconfig) return openLabTarget();
  const uninstall = E2E_UNINSTALL === '1' ? helmUninstall(daemonSet) : E2E_UNINSTALL || undefined;
  const otherImage = E2E_OTHER_IMAGE || undefined;
  return openClusterTarget({ kubeconfig, image, daemonSet, otherImage, uninstall, ownNamespaces });
}

function helmUninstall(daemonSet: string): string {
  const [namespace, name] = daemonSet.split('/') as [string, string];
  return `helm uninstall ${name} --namespace ${namespace} --wait`;
}
