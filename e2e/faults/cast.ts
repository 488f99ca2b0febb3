import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { families } from '../../src/model/address.ts';
import { policy, pods, port } from '../../test/kernel/policies.ts';
import { pod } from '../../test/lab/objects.ts';

export const ports = { allowed: 5000, forbidden: 6000, toggled: 53, connect: 80 } as const;

const served = ['TCP/80', 'TCP/5000', 'UDP/53', 'UDP/5000', 'UDP/6000'];

/** The pods that policies isolate, one on each node. */
export const guarded = ['x/p', 'x/q'] as const;

/** `near` and `stranger` are on n1 as `p` is, `far` and `outsider` on n2 as `q` is. */
export const cast: readonly ApiObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'peers', labels: { team: 'peers' } } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'others' } },
  pod('x', 'p', served, { nodeName: 'n1' }),
  pod('x', 'q', served, { nodeName: 'n2' }),
  pod('peers', 'near', served, { nodeName: 'n1' }),
  pod('peers', 'far', served, { nodeName: 'n2' }),
  pod('others', 'stranger', served, { nodeName: 'n1' }),
  pod('others', 'outsider', served, { nodeName: 'n2' }),
];

const peers = pods({}, { team: 'peers' });
const allowed = [port(`UDP/${ports.allowed}`), port(`TCP/${ports.allowed}`), port(`TCP/${ports.connect}`)];

/** The guarded pods are isolated; their peers may talk with them on some ports. */
export const policies: readonly ApiObject[] = [
  policy('x', 'deny', { ingress: [], egress: [] }),
  policy('x', 'allow', {
    ingress: [{ from: [peers], ports: allowed }],
    egress: [{ to: [peers], ports: [port(`UDP/${ports.allowed}`)] }],
  }),
];

/** Allows one port more, or another that nobody uses: from one to the other is a change of the class of every guarded pod. */
export function toggle(isOpen: boolean): ApiObject {
  const number = isOpen ? ports.toggled : ports.toggled + 1;
  return policy('x', 'toggle', { ingress: [{ from: [peers], ports: [port(`UDP/${number}`)] }] });
}

/** What must never come to a station, by its key. */
export function forbiddenTaps(lab: Lab): Record<string, Record<string, string>> {
  const from = (key: string): string[] =>
    families.map((family) => {
      const address = stationAddress(lab.station(key), family)!;
      return `meta l4proto { tcp, udp } ${family === 'ipv4' ? 'ip' : 'ip6'} saddr ${address}`;
    });
  const named = (prefix: string, matches: readonly string[]): Record<string, string> =>
    Object.fromEntries(matches.map((match, index) => [`${prefix}-${index}`, match]));
  const strangers = named('stranger', ['others/stranger', 'others/outsider'].flatMap(from));
  const atGuarded = { ...strangers, port: `udp dport ${ports.forbidden}` };
  const atStranger = named('guarded', guarded.flatMap(from));
  return {
    'x/p': atGuarded,
    'x/q': atGuarded,
    'others/stranger': atStranger,
    'others/outsider': atStranger,
  };
}
