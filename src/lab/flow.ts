import { randomBytes } from 'node:crypto';
import type { Family } from '../model/address.ts';
import { LabError } from './error.ts';
import type { FlowEnds, FlowStats } from './pod-process.ts';
import { stationAddress } from './station.ts';
import type { Station } from './station.ts';

export interface OpenFlow {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly family: Family;
  /** Packets or records per second, each way for TCP. */
  readonly rate: number;
  /** Payload in bytes, at least 32; default 64. */
  readonly size?: number;
  /** UDP: the server sends each packet back. */
  readonly echo?: boolean;
  /** Destination instead of the target's own address, for example of a Service. */
  readonly address?: string;
}

/** Sent and received packets of each end. */
export interface FlowState {
  readonly client: FlowStats;
  readonly server: FlowStats;
}

const nothing: FlowStats = { sent: 0, received: 0, distinct: 0, highest: 0, idleMs: null, closed: null };

/**
 * A long connection between two stations with numbered packets, so that its ends can count losses. TCP streams records both ways; UDP
 * goes one way, or both ways with `echo`.
 */
export class Flow {
  readonly #from: Station;
  readonly #to: Station;
  /** Twelve bytes: the header of a datagram has this size. */
  readonly #id = randomBytes(6).toString('hex');

  private constructor(from: Station, to: Station) {
    this.#from = from;
    this.#to = to;
  }

  /** Rejects with LabError `timeout` if a TCP server does not accept within 20 s. UDP always opens. */
  static async open(from: Station, to: Station, { family, address, ...options }: OpenFlow): Promise<Flow> {
    const flow = new Flow(from, to);
    const target = address ?? stationAddress(to, family);
    if (target === undefined) throw new LabError('input', `${to.key} has no ${family} address`);
    const who = await from.process.openFlow(flow.#id, { ...options, address: target });
    if (who !== undefined && who !== to.key) throw new LabError('state', `${who} accepted instead of ${to.key}`);
    return flow;
  }

  async state(): Promise<FlowState> {
    return this.#join(await this.#from.process.flowStats(this.#id), await this.#to.process.flowStats(this.#id));
  }

  /** Stops both ends from sending. Packets in flight may still arrive. */
  async pause(): Promise<FlowState> {
    return this.#join(await this.#from.process.pauseFlow(this.#id), await this.#to.process.pauseFlow(this.#id));
  }

  async close(): Promise<FlowState> {
    return this.#join(await this.#from.process.closeFlow(this.#id), await this.#to.process.closeFlow(this.#id));
  }

  #join(from: FlowEnds, to: FlowEnds): FlowState {
    return { client: from.client ?? nothing, server: to.server ?? nothing };
  }
}
