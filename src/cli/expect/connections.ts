import { ConfigError } from '../../config/config-error.ts';
import { families } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import { readPortArgument } from '../explain/port-argument.ts';
import type { Traffic } from '../explain/port-argument.ts';
import { refuseService, refuseServicePort } from '../explain/service-argument.ts';
import type { Ends, Member, Selected } from './ends.ts';
import type { PolicyTest } from './format.ts';

/** Declared ports in a note. */
const mostNamed = 5;

/** One connection that an expectation is about. */
export interface Connection {
  readonly from: Member;
  readonly to: Member;
  readonly family: Family;
  readonly traffic: Traffic;
}

/** What an expectation is about. */
export interface Subject {
  readonly connections: readonly Connection[];
  /** Pods that it selects too, and that have no address yet. */
  readonly unaddressed: readonly string[];
  /** What may be a mistake, as sentences. */
  readonly notes: readonly string[];
}

/**
 * All connections of an expectation: each pair of ends, in each family that both have. Throws a ConfigError if the expectation is invalid, selects nobody, or
 * selects more than `most` connections.
 */
export function connectionsOf(source: ClusterSource, ends: Ends, test: PolicyTest, most: number): Subject {
  const port = String(test.port);
  const from = selecting('from', () => ends.select(test.from));
  const to = selecting('to', () => {
    if (typeof test.to === 'string') refuseService(source.objects, test.to, port);
    return ends.select(test.to);
  });
  const pairs = from.members.length * to.members.length;
  if (pairs > most) {
    throw new ConfigError(`selects ${pairs} pairs, and this run may check ${most} more connections: select fewer pods`);
  }
  const asked = test.family ? [test.family] : families;
  const connections: Connection[] = [];
  for (const destination of to.members) {
    const traffic = new Map<Family, Traffic>();
    for (const opener of from.members) {
      if (isSelf(opener, destination, from, to)) continue;
      for (const family of asked) {
        if (!opener.endpoints.has(family) || !destination.endpoints.has(family)) continue;
        if (!traffic.has(family))
          traffic.set(
            family,
            selecting('port', () => readTraffic(destination, family)),
          );
        connections.push({ from: opener, to: destination, family, traffic: traffic.get(family)! });
      }
    }
  }
  if (connections.length === 0) throw new ConfigError(whyNone(from, to, test.family));
  if (connections.length > most) {
    throw new ConfigError(
      `selects ${connections.length} connections, and this run may check ${most} more: select fewer pods`,
    );
  }
  const unaddressed = [...new Set([from, to].flatMap((end) => end.unaddressed ?? []))];
  const notes = [from, to].flatMap((end) => end.notes ?? []);
  return { connections, unaddressed, notes: [...notes, ...notesOfPort(ends, test, to, connections[0]!.traffic)] };

  function readTraffic(destination: Member, family: Family): Traffic {
    const traffic = readPortArgument(port, source.cluster, destination.endpoints.get(family)!, family);
    if (typeof test.to === 'string') refuseServicePort(source.objects, source.cluster, test.to, traffic);
    return traffic;
  }
}

/** A denied port that no pod has proves little. Pods need not declare ports, so only declared ones count. */
function notesOfPort(ends: Ends, { expect }: PolicyTest, { members }: Selected, traffic: Traffic): string[] {
  const { protocol, destinationPort: wanted } = traffic;
  if (expect !== 'denied' || wanted === undefined) return [];
  const declared = ends.declaredPorts(members.flatMap(({ pod }) => pod ?? []));
  if (declared.length === 0 || declared.includes(`${protocol}/${wanted}`)) return [];
  const some = declared.slice(0, mostNamed).join(', ');
  return [`no selected pod declares ${protocol}/${wanted} (declared: ${some}): is this what you meant?`];
}

/** A pod among several reaches itself always, so a pair of it says nothing. An expectation may name such a pair, though. */
function isSelf(source: Member, destination: Member, from: Selected, to: Selected): boolean {
  return source.pod !== undefined && source.pod === destination.pod && !(from.isOne && to.isOne);
}

function whyNone(from: Selected, to: Selected, family: Family | undefined): string {
  const has = ({ members }: Selected): string =>
    families.filter((each) => members.some(({ endpoints }) => endpoints.has(each))).join(' and ') || 'no address';
  const isOnlySelf =
    from.members.length === 1 && to.members.length === 1 && from.members[0]!.pod === to.members[0]!.pod;
  if (isOnlySelf && from.members[0]!.pod !== undefined) return `from and to select only ${from.members[0]!.pod}`;
  return `no pair has ${family ?? 'an address family'} in common: from has ${has(from)}, to has ${has(to)}`;
}

/** Puts the field before the message. */
function selecting<Value>(field: string, find: () => Value): Value {
  try {
    return find();
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(`${field}: ${error.message}`, { cause: error }) : error;
  }
}
