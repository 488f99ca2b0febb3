import type { Sandbox } from '../../src/model/cluster.ts';
import { readIdentity, decodePod } from '../../src/watch/decode.ts';

/** The sandbox of a pod as the container runtime records it: its veth and addresses. */
export function sandboxOf(object: object, nodeName: string): Sandbox | undefined {
  const { kind, spec } = object as { kind?: string; spec?: { nodeName?: string } };
  if (kind !== 'Pod' || spec?.nodeName !== nodeName) return undefined;
  const identity = readIdentity(object)!;
  const { namespace, name, uid, addresses } = decodePod(object, identity).value;
  const device = `veth${uid.slice(0, 8)}`;
  return { id: uid, namespace, name, uid, addresses, link: { device }, live: true, order: 1 };
}
