import type { Bar } from '../figure.ts';
import { ports } from './policies.ts';
import { remoteWay, serviceWay, way, type Way } from './scene.ts';
import { serviceRules } from './service-rules.ts';
import type { RuleSet } from './tables.ts';
import type { Mode } from './traffic-program.ts';

/** Kind of traffic, with its bar. */
export interface Traffic {
  readonly what: string;
  readonly mode: Mode;
  readonly port: number;
  readonly milliseconds: number;
  /** Missing if the figure is informational. */
  readonly bar?: Bar;
  /** If not between the two isolated pods, or the two that no policy selects. */
  readonly on?: Way;
}

const bulk = { what: 'bulk TCP', mode: 'bulk', port: ports.tuple, milliseconds: 300 } as const;
/** Bulk TCP by processor time. */
const stream = { what: 'bulk TCP, by processor time', mode: 'stream', port: ports.tuple, milliseconds: 100 } as const;
const connect = { what: 'new TCP connections', mode: 'connect', port: ports.tuple, milliseconds: 200 } as const;
const answered = { what: 'small UDP of an answered flow', mode: 'answered', milliseconds: 100 } as const;
const oneWay = { what: 'small UDP that nobody answers', mode: 'udp', milliseconds: 100 } as const;

export const betweenIsolated: readonly Traffic[] = [
  { ...bulk, bar: { atLeast: 0.97 } },
  stream,
  { ...connect, bar: { atLeast: 0.85 } },
  { ...answered, what: `${answered.what}, exact tuple`, port: ports.tuple, bar: { atLeast: 0.85 } },
  { ...oneWay, what: `${oneWay.what}, exact tuple`, port: ports.tuple, bar: { atLeast: 0.85 } },
  { ...answered, what: `${answered.what}, block`, port: ports.block, bar: { atLeast: 0.75 } },
  { ...answered, what: `${answered.what}, shared group`, port: ports.group, bar: { atLeast: 0.75 } },
  {
    ...answered,
    what: `${answered.what}, last of three shared groups of a port`,
    port: ports.lastGroup,
    bar: { atLeast: 0.75 },
  },
];

export const betweenOpen: readonly Traffic[] = [
  { ...bulk, bar: { atLeast: 0.98 } },
  stream,
  { ...answered, port: ports.tuple, bar: { atLeast: 0.94 } },
  { ...oneWay, port: ports.tuple, bar: { atLeast: 0.94 } },
];

/** Small packets and connections between isolated pods, where each lookup counts most. */
export const small: readonly Traffic[] = betweenIsolated.filter(({ mode, port }) => {
  return mode !== 'bulk' && mode !== 'stream' && port === ports.tuple;
});

/** Other ways, with the most policies only. */
export const flows: Traffic = {
  ...answered,
  what: 'small UDP of 10,000 answered flows in turn, exact tuple',
  mode: 'flows',
  port: ports.tuple,
  bar: { atLeast: 0.85 },
};
export const oneEndLocal: readonly Traffic[] = [
  { ...stream, what: 'to a pod of another node: bulk TCP, by processor time', on: remoteWay },
  { ...connect, what: 'to a pod of another node: new TCP connections', on: remoteWay, bar: { atLeast: 0.85 } },
  {
    ...answered,
    what: 'to a pod of another node: small UDP of an answered flow, exact tuple',
    on: remoteWay,
    port: ports.tuple,
    bar: { atLeast: 0.85 },
  },
];
/** The baseline has the Services too. */
export const byService: readonly Traffic[] = [
  { ...connect, what: 'by one of 1,000 Services: new TCP connections', on: serviceWay, bar: { atLeast: 0.85 } },
  {
    ...answered,
    what: 'by one of 1,000 Services: small UDP of an answered flow, exact tuple',
    on: serviceWay,
    port: ports.tuple,
    bar: { atLeast: 0.85 },
  },
];
export const services: RuleSet = {
  name: 'services',
  script: serviceRules([
    { address: serviceWay.service!, endpoint: way.to.address, port: ports.tuple },
    ...Array.from({ length: 999 }, (_, i) => ({
      address: `10.97.${i >> 8}.${i & 255}`,
      endpoint: `10.100.${i >> 8}.${i & 255}`,
      port: 80,
    })),
  ]),
};
