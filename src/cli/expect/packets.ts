import { resolveEndpoint } from '../../evaluator/evaluator.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import type { AskedConnection, Seen } from '../../lab/reachability.ts';
import { listAt, textAt } from '../../lib/json.ts';
import { canonicalAddress, formatAddress, type Family } from '../../model/address.ts';
import type { Outcome } from '../connect/attempt.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import type { Connection } from './connections.ts';
import type { Member } from './ends.ts';
import { decide, type Sight } from './judge.ts';

type Untried = Extract<Sight, { readonly untried: string }>;

/** Sends the packets of all connections between machines of a lab, in parallel. */
export type LookInLab = (connections: readonly AskedConnection[]) => Promise<readonly Seen[]>;

/** Tries each different connection once, by packets of a lab. */
export async function lookInLab(
  source: ClusterSource,
  connections: readonly Connection[],
  look: LookInLab,
): Promise<(connection: Connection) => Sight> {
  const stations = new Stations(source);
  const asked = new Map<string, AskedConnection>();
  const read = (connection: Connection): { readonly key: string; readonly ask: AskedConnection } | Untried => {
    const { family, traffic } = connection;
    const from = stations.of(connection.from, family);
    const to = stations.of(connection.to, family);
    if (typeof from !== 'string') return from;
    if (typeof to !== 'string') return to;
    const protocol = traffic.protocol === 'ICMP' ? 'icmp' : (traffic.protocol as AskedConnection['protocol']);
    const port = traffic.destinationPort ?? 0;
    const { verdict: expected } = decide(source.cluster, connection);
    return { key: [from, to, family, protocol, port].join(' '), ask: { from, to, family, protocol, port, expected } };
  };
  for (const connection of connections) {
    const question = read(connection);
    if ('ask' in question) asked.set(question.key, question.ask);
  }
  const seen = await look([...asked.values()]);
  const answers = new Map([...asked].map(([key, ask], index) => [key, toSight(ask, seen[index]!)]));
  return (connection) => {
    const question = read(connection);
    return 'ask' in question ? answers.get(question.key)! : question;
  };
}

const outcomes: Readonly<Record<string, Outcome>> = {
  answered: 'connected',
  timeout: 'no answer',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EACCES: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
};

function toSight({ to, family, protocol, port, expected }: AskedConnection, seen: Seen): Sight {
  if (seen === 'unserved') {
    return { untried: `${to} has no program on ${protocol}/${port}, so an answer would never come; declare the port` };
  }
  const outcome = outcomes[seen] ?? 'failed';
  // The kernel of the target refused it, so it arrived: no firewall of a lab does.
  const arrived = outcome === 'refused' && expected === 'allowed' ? 'connected' : outcome;
  const code = outcome === 'failed' ? { code: seen } : {};
  // Programs of a lab answer every datagram, so silence counts for UDP too.
  return { attempt: { family, address: to, outcome: arrived, ms: 0, ...code }, protocol: 'TCP' };
}

/** Finds the machine of the lab that an end is. */
class Stations {
  readonly #cluster: Cluster;
  readonly #hosts: ReadonlyMap<string, string>;

  constructor({ cluster, objects }: ClusterSource) {
    this.#cluster = cluster;
    const hosts = objects.filter((object) => object['kind'] === 'Host');
    this.#hosts = new Map(
      hosts.flatMap((host) =>
        listAt(host, 'spec', 'addresses').map((address) => [
          canonicalAddress(String(address)) ?? '',
          `host/${textAt(host, 'metadata', 'name')}`,
        ]),
      ),
    );
  }

  of(member: Member, family: Family): string | Untried {
    if (member.isSample) return { untried: `no machine of the lab has an address of ${member.name}` };
    if (member.pod !== undefined) return member.pod;
    const party = resolveEndpoint(this.#cluster, member.endpoints.get(family)!, family);
    if (typeof party === 'string') return { untried: party };
    const address = formatAddress(family, party.address.value);
    const key = party.pod?.key ?? (party.node === undefined ? this.#hosts.get(address) : `node/${party.node}`);
    return key ?? { untried: `no machine of the lab has ${address}` };
  }
}
