import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { familyOf } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';

/** Protocols that Node.js has sockets for. */
export const socketProtocols = ['TCP', 'UDP'] as const;
export type SocketProtocol = (typeof socketProtocols)[number];

/** `unresolved` is for a name, all others are for an address. */
export const outcomes = ['connected', 'refused', 'no answer', 'unreachable', 'unresolved', 'failed'] as const;
export type Outcome = (typeof outcomes)[number];

export interface Attempt {
  /** Missing for an unresolved name. */
  readonly family?: Family;
  readonly address: string;
  readonly outcome: Outcome;
  /** Error code, for example `ECONNREFUSED`. */
  readonly code?: string;
  readonly ms: number;
}

export interface Destination {
  readonly protocol: SocketProtocol;
  readonly address: string;
  readonly port: number;
}

/** The kernel sends a SYN after 0, 1 and 3 s, so one lost packet does not decide. */
const silenceMs = 4_000;
/** The same times for UDP, which the kernel does not retransmit. */
const sendAtMs = [0, 1_000, 3_000];

/** ICMP errors as error codes of the kernel. "Administratively prohibited" is EHOSTUNREACH, in IPv6 EACCES. */
const outcomeOf: Readonly<Record<string, Outcome>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  ETIMEDOUT: 'no answer',
  EACCES: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EAFNOSUPPORT: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
};

/** Tries once and waits at most `silenceMs` for an answer. Never rejects. */
export async function attempt(destination: Destination): Promise<Attempt> {
  const start = performance.now();
  const code = await (destination.protocol === 'TCP' ? openTcp(destination) : askUdp(destination));
  const { address } = destination;
  return {
    family: familyOf(address),
    address,
    outcome: code === undefined ? 'connected' : (outcomeOf[code] ?? 'failed'),
    ...(code !== undefined && code !== 'ETIMEDOUT' && { code }),
    ms: Math.round((performance.now() - start) * 10) / 10,
  };
}

/** Resolves to an error code, `ETIMEDOUT` without an answer, or `undefined` if the connection opened. */
function openTcp({ address, port }: Destination): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (code?: string): void => {
      socket.destroy();
      resolve(code);
    };
    socket.once('connect', () => end());
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.setTimeout(silenceMs, () => end('ETIMEDOUT'));
  });
}

/** Any datagram counts as an answer. The socket is connected, so that it receives ICMP errors. */
function askUdp({ address, port }: Destination): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(familyOf(address) === 'ipv6' ? 'udp6' : 'udp4');
    const timers: NodeJS.Timeout[] = [];
    let ended = false;
    const end = (code?: string): void => {
      if (ended) return;
      ended = true;
      timers.forEach(clearTimeout);
      socket.close();
      resolve(code);
    };
    const fail = (error: NodeJS.ErrnoException | null): void => {
      if (error) end(error.code ?? error.message);
    };
    socket.once('message', () => end());
    socket.on('error', fail);
    socket.connect(port, address, (error?: Error) => {
      if (error) return fail(error);
      for (const ms of sendAtMs) timers.push(setTimeout(() => socket.send(questionFor(port), fail), ms));
      timers.push(setTimeout(() => end('ETIMEDOUT'), silenceMs));
    });
  });
}

/** A DNS query for the name servers of the root. Name servers ignore other datagrams, and answer this one at least with REFUSED. */
const dnsQuery = Buffer.from('5053010000010000000000000000020001', 'hex');

function questionFor(port: number): Buffer {
  return port === 53 ? dnsQuery : Buffer.from('?');
}
