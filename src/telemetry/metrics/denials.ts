import { Counter, type Registry } from 'prom-client';

/** What was denied since the last count, in one direction. */
export interface DeniedCounts {
  readonly packets: number;
  /** How many of those packets the kernel did not record, because there were too many. */
  readonly unnoted: number;
  readonly connections: number;
}

export interface DenialMetrics {
  /** @param verdict `audit`: a policy in audit would deny what passed */
  counted(verdict: 'denied' | 'audit', direction: 'ingress' | 'egress', counts: DeniedCounts): void;
  /** Recorded connections that the agent did not log, because there were too many. */
  unlogged(connections: number): void;
}

export function createDenialMetrics(registry: Registry): DenialMetrics {
  const registers = [registry];
  const labelNames = ['direction'];
  const packets = new Counter({
    name: 'postern_denied_packets_total',
    help: 'Packets that the node dropped because no rule of an isolated pod allows them, by direction.',
    labelNames,
    registers,
  });
  const unnoted = new Counter({
    name: 'postern_denied_packets_unnoted_total',
    help: 'Denied packets whose connection the kernel did not record: there were too many, or the packet belongs to no connection. Also those whose record the agent could not read within a minute.',
    labelNames,
    registers,
  });
  const connections = new Counter({
    name: 'postern_denied_connections_total',
    help: 'Denied connections that the kernel recorded; a connection that goes on counts again after a minute.',
    labelNames,
    registers,
  });
  const unlogged = new Counter({
    name: 'postern_denials_unlogged_total',
    help: 'Recorded denied connections that the agent did not log, because there were too many at once.',
    registers,
  });
  const audited = {
    packets: new Counter({
      name: 'postern_audited_packets_total',
      help: 'Packets that passed, and that policies in audit would deny. Packets of a connection on the fast path count every 30 seconds.',
      labelNames,
      registers,
    }),
    connections: new Counter({
      name: 'postern_audited_connections_total',
      help: 'Connections that passed, and that policies in audit would deny; a connection that goes on counts again after a minute.',
      labelNames,
      registers,
    }),
  };
  for (const direction of ['ingress', 'egress']) {
    for (const counter of [packets, unnoted, connections, audited.packets, audited.connections])
      counter.inc({ direction }, 0);
  }
  return {
    counted(verdict, direction, counts) {
      if (verdict === 'audit') {
        audited.packets.inc({ direction }, counts.packets);
        audited.connections.inc({ direction }, counts.connections);
        return;
      }
      packets.inc({ direction }, counts.packets);
      unnoted.inc({ direction }, counts.unnoted);
      connections.inc({ direction }, counts.connections);
    },
    unlogged: (count) => unlogged.inc(count),
  };
}
