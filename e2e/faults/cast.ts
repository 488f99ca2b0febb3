import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { families } from '../../src/model/address.ts';
import { policy, pods, port } from '../../test/kernel/policies.ts';
import { pod } from '../../test/lab/objects.ts';

export const ports = { allowed: 5000, forbidden: 6000, toggled: 53, connect: 80 } as const;

const served = ['TCP/80', 'TCP/5000', 'UDP/53', 'UDP/5000', 'UDP/6000'];

/** The isolated pods, one per node. */
export const guarded = ['x/p', 'x/q'] as const;

/** `near` and `denied-near` are on n1 as `p` is, `far` and `denied-far` on n2 as `q` is. */
export const cast: readonly ApiObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'peers', labels: { team: 'peers' } } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'others' } },
  pod('x', 'p', served, { nodeName: 'n1' }),
  pod('x', 'q', served, { nodeName: 'n2' }),
  pod('peers', 'near', served, { nodeName: 'n1' }),
  pod('peers', 'far', served, { nodeName: 'n2' }),
  pod('others', 'denied-near', served, { nodeName: 'n1' }),
  pod('others', 'denied-far', served, { nodeName: 'n2' }),
];

const peers = pods({}, { team: 'peers' });
const allowed = [port(`UDP/${ports.allowed}`), port(`TCP/${ports.allowed}`), port(`TCP/${ports.connect}`)];

/** Isolates the guarded pods, and allows some ports for their peers. */
export const policies: readonly ApiObject[] = [
  policy('x', 'deny', { ingress: [], egress: [] }),
  policy('x', 'allow', {
    ingress: [{ from: [peers], ports: allowed }],
    egress: [{ to: [peers], ports: [port(`UDP/${ports.allowed}`)] }],
  }),
];

/** Allows an additional port or an unused port. Switching between them changes the rules of every guarded pod. */
export function toggle(isOpen: boolean): ApiObject {
  const number = isOpen ? ports.toggled : ports.toggled + 1;
  return policy('x', 'toggle', { ingress: [{ from: [peers], ports: [port(`UDP/${number}`)] }] });
}

/** nft matches of forbidden packets, by the key of the receiving station. */
export function forbiddenTaps(lab: Lab): Record<string, Record<string, string>> {
  const from = (key: string): string[] =>
    families.map((family) => {
      const address = stationAddress(lab.station(key), family)!;
      return `meta l4proto { tcp, udp } ${family === 'ipv4' ? 'ip' : 'ip6'} saddr ${address}`;
    });
  const named = (prefix: string, matches: readonly string[]): Record<string, string> =>
    Object.fromEntries(matches.map((match, index) => [`${prefix}-${index}`, match]));
  const deniedPeers = named('denied-peer', ['others/denied-near', 'others/denied-far'].flatMap(from));
  const atGuarded = { ...deniedPeers, port: `udp dport ${ports.forbidden}` };
  const atDeniedPeer = named('guarded', guarded.flatMap(from));
  return {
    'x/p': atGuarded,
    'x/q': atGuarded,
    'others/denied-near': atDeniedPeer,
    'others/denied-far': atDeniedPeer,
  };
}
