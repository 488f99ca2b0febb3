import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { familyOf } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';

/** What Node has sockets for. */
export const socketProtocols = ['TCP', 'UDP'] as const;
export type SocketProtocol = (typeof socketProtocols)[number];

/** `unresolved` is the name's fate, all others are an address's. */
export type Outcome = 'connected' | 'refused' | 'no answer' | 'unreachable' | 'unresolved' | 'failed';

export interface Attempt {
  /** None for a name that is unresolved. */
  readonly family?: Family;
  readonly address: string;
  readonly outcome: Outcome;
  /** The error's, as `ECONNREFUSED`. */
  readonly code?: string;
  readonly ms: number;
}

export interface Destination {
  readonly protocol: SocketProtocol;
  readonly address: string;
  readonly port: number;
}

/** Three tries of the kernel to send a SYN, after 0, 1 and 3 s: one lost packet is no verdict. */
const silenceMs = 4_000;
/** The same tries for a datagram, which nobody sends again for us. */
const sendAtMs = [0, 1_000, 3_000];

/** ICMP errors as the kernel hands them on; administratively prohibited is EHOSTUNREACH, or EACCES in IPv6. */
const outcomes: Readonly<Record<string, Outcome>> = {
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

/** Tries once, for as long as a silence lasts. Never rejects. */
export async function attempt(destination: Destination): Promise<Attempt> {
  const start = performance.now();
  const code = await (destination.protocol === 'TCP' ? openTcp(destination) : askUdp(destination));
  const { address } = destination;
  return {
    family: familyOf(address),
    address,
    outcome: code === undefined ? 'connected' : (outcomes[code] ?? 'failed'),
    ...(code !== undefined && code !== 'ETIMEDOUT' && { code }),
    ms: Math.round((performance.now() - start) * 10) / 10,
  };
}

/** Resolves to an error's code, `ETIMEDOUT` for silence, or nothing if it opened. */
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

/** An answer is whatever datagram comes back; the socket is connected, so ICMP errors come to it too. */
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

/** Name servers drop what is no query. This one, for the name servers of the root, each of them answers, if only with a refusal. */
const dnsQuery = Buffer.from('5053010000010000000000000000020001', 'hex');

function questionFor(port: number): Buffer {
  return port === 53 ? dnsQuery : Buffer.from('?');
}
