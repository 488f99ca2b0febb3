import { randomBytes } from 'node:crypto';
import { CniNetwork } from '../../src/lab/cni.ts';
import { networkConfig } from '../../src/lab/cni-config.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { deleteNamespace, enterNamespace, namespacePath } from '../../src/lab/network-namespace.ts';
import { pluginDirectory } from '../../src/lab/preflight.ts';

interface OwnSandbox {
  readonly lab: Lab;
  readonly cni: LabCni;
  readonly podAddresses: number;
  /** A network namespace that is there. */
  readonly sandbox: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
}

/** Gives a pod of n1 a sandbox that its kubelet knows nothing of. Returns what ends it. */
export async function addOwnSandbox({
  lab,
  cni,
  podAddresses,
  sandbox,
  pod,
}: OwnSandbox): Promise<() => Promise<void>> {
  const directory = lab.state.nodeDirectory('n1');
  const network = new CniNetwork({
    config: networkConfig(cni, {
      podCidrs: lab.plan.nodes[0]!.podCidrs,
      ipamDirectory: `${directory}/ipam`,
      podAddresses,
    }),
    pluginDirectory,
    cacheDirectory: `${directory}/cni`,
    enter: (file, args) => enterNamespace(lab.names.node('n1'), file, args),
  });
  const { namespace, name, uid } = pod;
  const attachment = {
    containerId: randomBytes(32).toString('hex'),
    netns: namespacePath(sandbox),
    ifName: 'eth0',
    args: Object.entries({ IgnoreUnknown: '1', K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name, K8S_POD_UID: uid }),
    capabilityArgs: {},
  };
  await network.add(attachment);
  return async () => {
    await network.delete(attachment);
    await deleteNamespace(sandbox);
  };
}
