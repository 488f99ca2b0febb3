import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runInNamespace } from '../../src/lab/network-namespace.ts';

interface LocalPod {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

/** Creates the sandboxes of the node's pods: a device, routes, and an entry in libcni's cache for each. */
export async function makeSandboxes(
  objects: Iterable<object>,
  nodeName: string,
  namespace: string,
  cacheDirectory: string,
): Promise<void> {
  await mkdir(cacheDirectory, { recursive: true });
  const commands: string[] = [];
  const entries: { readonly file: string; readonly text: string }[] = [];
  for (const { metadata, status } of localPods(objects, nodeName)) {
    const device = `veth${metadata.uid.slice(0, 8)}`;
    commands.push(`link add ${device} type veth peer name p${device.slice(4)}`);
    commands.push(`link set ${device} up`, `link set p${device.slice(4)} up`);
    const addresses = status.podIPs.map(({ ip }) => ip);
    for (const address of addresses) commands.push(`route add ${address} dev ${device}`);
    const id = metadata.uid.replaceAll('-', '').repeat(2);
    const file = join(cacheDirectory, `bench-${id}-eth0`);
    entries.push({ file, text: entryOf(metadata, id, device, addresses) });
  }
  await runInNamespace(namespace, 'ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` });
  // As libcni: when the plugin has ended. An agent reads an entry when it appears.
  for (const { file, text } of entries) await writeFile(file, text);
}

function localPods(objects: Iterable<object>, nodeName: string): LocalPod[] {
  return [...objects].filter((object) => {
    const { kind, spec } = object as { kind: string; spec: { nodeName?: string } };
    return kind === 'Pod' && spec.nodeName === nodeName;
  }) as unknown as LocalPod[];
}

function entryOf(pod: LocalPod['metadata'], id: string, device: string, addresses: readonly string[]): string {
  return JSON.stringify({
    kind: 'cniCacheV1',
    containerId: id,
    config: Buffer.from('{"cniVersion":"1.0.0","name":"bench","plugins":[{"type":"ptp"}]}').toString('base64'),
    ifName: 'eth0',
    networkName: 'bench',
    netns: `/run/netns/${id}`,
    cniArgs: [
      ['K8S_POD_NAMESPACE', pod.namespace],
      ['K8S_POD_NAME', pod.name],
      ['K8S_POD_INFRA_CONTAINER_ID', id],
      ['K8S_POD_UID', pod.uid],
    ],
    result: {
      cniVersion: '1.0.0',
      interfaces: [{ name: device }, { name: 'eth0', sandbox: `/run/netns/${id}` }],
      ips: addresses.map((address) => ({ interface: 1, address: `${address}/${address.includes(':') ? 64 : 24}` })),
    },
  });
}
