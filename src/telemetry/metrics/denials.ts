import { Counter, type Registry } from 'prom-client';

/** What was denied since the look before, in one direction. */
export interface DeniedCounts {
  readonly packets: number;
  /** Of those packets, how many the kernel has not noted, since there were too many. */
  readonly unnoted: number;
  readonly connections: number;
}

export interface DenialMetrics {
  denied(direction: 'ingress' | 'egress', counts: DeniedCounts): void;
  /** Connections that were noted and not logged, since there were too many. */
  unlogged(connections: number): void;
}

export function createDenialMetrics(registry: Registry): DenialMetrics {
  const registers = [registry];
  const labelNames = ['direction'];
  const packets = new Counter({
    name: 'postern_denied_packets_total',
    help: 'Packets that were dropped since no rule of an isolated pod allows them, by its direction.',
    labelNames,
    registers,
  });
  const unnoted = new Counter({
    name: 'postern_denied_packets_unnoted_total',
    help: 'Of those packets, the ones whose connections the kernel has not noted: there were more than it notes, or they belong to none.',
    labelNames,
    registers,
  });
  const connections = new Counter({
    name: 'postern_denied_connections_total',
    help: 'Connections that were noted as denied; one that goes on counts again after a minute.',
    labelNames,
    registers,
  });
  const unlogged = new Counter({
    name: 'postern_denials_unlogged_total',
    help: 'Of those connections, the ones that are not in the log, since there were too many at once.',
    registers,
  });
  for (const direction of ['ingress', 'egress']) {
    for (const counter of [packets, unnoted, connections]) counter.inc({ direction }, 0);
  }
  return {
    denied(direction, counts) {
      packets.inc({ direction }, counts.packets);
      unnoted.inc({ direction }, counts.unnoted);
      connections.inc({ direction }, counts.connections);
    },
    unlogged: (count) => unlogged.inc(count),
  };
}
