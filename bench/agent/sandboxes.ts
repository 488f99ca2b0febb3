import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configureLinks, createNamespace, runInNamespace } from '../../src/lab/network-namespace.ts';

/** The next hop of pods, on each of their devices. */
const gateway = '169.254.1.1';

/** A pod object of the node, with the fields that its sandbox needs. */
export interface LocalPod {
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
    const [device, peer] = devicesOf(metadata);
    commands.push(`link add ${device} type veth peer name ${peer}`, `link set ${device} up`, `link set ${peer} up`);
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

function devicesOf({ uid }: LocalPod['metadata']): [string, string] {
  const id = uid.slice(0, 8);
  return [`veth${id}`, `p${id}`];
}

/**
 * Moves the pod's end of its device into a network namespace of its own, so that it can send and receive by IPv4. The devices of the other pods only exist:
 * hundreds of namespaces would take their time.
 */
export async function openSandbox(pod: LocalPod, nodeNamespace: string, namespace: string): Promise<void> {
  const [device, peer] = devicesOf(pod.metadata);
  await createNamespace(namespace);
  const commands = [`addr add ${gateway}/32 dev ${device}`, `link set ${peer} netns ${namespace} name eth0`];
  await configureLinks(nodeNamespace, commands);
  await configureLinks(namespace, [
    `addr add ${pod.status.podIPs[0]!.ip}/32 dev eth0`,
    'link set eth0 up',
    `route add default via ${gateway} dev eth0 onlink`,
  ]);
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
