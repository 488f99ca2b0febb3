import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import type { Family } from '../model/address.ts';
import type { NodePlan } from './addressing.ts';
import { configureLinks, runInNamespace } from './network-namespace.ts';
import type { NetworkMaker } from './network-maker.ts';
import { hostPrefixLength, tunnelEnds } from './tunnel-end.ts';

/** Names and ports of flannel (pkg/backend/wireguard, mode "separate"). */
const devices: Readonly<Record<Family, { readonly device: string; readonly port: number }>> = {
  ipv4: { device: 'flannel-wg', port: 51820 },
  ipv6: { device: 'flannel-wg-v6', port: 51821 },
};

/** As flannel's backend of that name: a device per family, and each other node is a peer with its pod range. */
export const wireguard: NetworkMaker = {
  // UDP, WireGuard and the outer IP header.
  overhead: { ipv4: 60, ipv6: 80 },
  needs: [
    {
      what: 'WireGuard',
      command: `unshare --net sh -c 'ip link add x type wireguard && wg show x'`,
      remedy: 'modprobe wireguard, and apt-get install wireguard-tools',
    },
  ],
  async connect(namespace, node, others) {
    for (const [index, { family, address }] of tunnelEnds(node).entries()) {
      const { device, port } = devices[family];
      await configureLinks(namespace, [`link add ${device} mtu ${wireguardMtu} type wireguard`]);
      const peers = others.flatMap((other) => {
        const { underlay, cidr } = tunnelEnds(other)[index]!;
        const endpoint = family === 'ipv4' ? underlay : `[${underlay}]`;
        return [
          '[Peer]',
          `PublicKey = ${keysOf(other).publicKey}`,
          `Endpoint = ${endpoint}:${port}`,
          // The node answers a pod of another node from its own address, by the tunnel.
          `AllowedIPs = ${cidr}, ${underlay}/${hostPrefixLength[family]}`,
        ];
      });
      const settings = ['[Interface]', `PrivateKey = ${keysOf(node).privateKey}`, `ListenPort = ${port}`, ...peers, ''];
      // The input is a socket, which wg cannot open by its name.
      const read = ['-c', 'cat | wg setconf "$1" /dev/stdin', 'sh', device];
      await runInNamespace(namespace, 'sh', read, { input: settings.join('\n') });
      await configureLinks(namespace, [
        `address add ${address}/${hostPrefixLength[family]} dev ${device}`,
        `link set ${device} up`,
        ...others.map((other) => `route add ${tunnelEnds(other)[index]!.cidr} dev ${device}`),
      ]);
    }
  },
};

const wireguardMtu = 1500 - wireguard.overhead.ipv6;

/** A PKCS #8 structure with an X25519 key has the 32 bytes of the key at its end (RFC 8410). */
const privateKeyHeader = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** The keys of a lab keep no secret: they follow from the name of the node. */
function keysOf({ name }: NodePlan): { readonly privateKey: string; readonly publicKey: string } {
  const bytes = createHash('sha256').update(`postern lab ${name}`).digest();
  const key = createPrivateKey({ key: Buffer.concat([privateKeyHeader, bytes]), format: 'der', type: 'pkcs8' });
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { privateKey: bytes.toString('base64'), publicKey: der.subarray(-32).toString('base64') };
}
