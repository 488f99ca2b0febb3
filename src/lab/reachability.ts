import type { Decision } from '../evaluator/decision.ts';
import { evaluate } from '../evaluator/evaluator.ts';
import type { Cluster } from '../evaluator/cluster.ts';
import type { Family } from '../model/address.ts';
import { LabError } from './error.ts';
import type { Patience, ProbeTarget } from './pod-process.ts';
import { stationAddress } from './station.ts';
import type { Station } from './station.ts';

export type Verdict = 'allowed' | 'denied';

/** One probe: does `to` answer `from`? */
export interface Probe {
  readonly from: Station;
  readonly to: Station;
  readonly family: Family;
  readonly target: ProbeTarget;
}

export interface ProbeResult {
  readonly from: string;
  readonly to: string;
  /** `TCP/80` or `icmp`. */
  readonly port: string;
  readonly family: Family;
  readonly observed: Verdict;
  readonly expected: Verdict;
}

/** Why the policies deny a probe, at the end that denies it. */
export interface Denial {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly family: Family;
  readonly direction: 'egress' | 'ingress';
  readonly reason: string;
  /** A rule that nearly allows it. */
  readonly hint?: string;
}

/** Answers arrive at once. Only denied probes wait for the deadline, all in parallel. */
const quick: Patience = { tries: 3, deadlineMs: 1000 };
/** For missing answers: on a busy machine one second may be too short. */
const patient: Patience = { tries: 6, deadlineMs: 5000 };

/** `TCP/80`, `80` (TCP) or `icmp`. */
export function parseProbePort(text: string): string {
  if (text.toLowerCase() === 'icmp') return 'icmp';
  const match = /^(?:(TCP|UDP|SCTP)\/)?([0-9]{1,5})$/i.exec(text);
  if (!match) throw new LabError('input', `port ${JSON.stringify(text)}: expected TCP/80, UDP/53, SCTP/9000 or icmp`);
  const port = Number(match[2]);
  if (port < 1 || port > 65535) throw new LabError('input', `port ${match[2]}: ports are 1 to 65535`);
  return `${(match[1] ?? 'TCP').toUpperCase()}/${port}`;
}

/**
 * One probe for every pair, declared port of the target, and family that both ends have. `ports` limits the declared ports, and can
 * add `icmp`.
 */
export function planProbes(
  sources: readonly Station[],
  targets: readonly Station[],
  { ports, families }: { readonly ports?: readonly string[] | undefined; readonly families: readonly Family[] },
): Probe[] {
  const wanted = ports && new Set(ports);
  const probes: Probe[] = [];
  for (const from of sources) {
    for (const to of targets) {
      for (const family of families) {
        const address = stationAddress(to, family);
        if (address === undefined || stationAddress(from, family) === undefined) continue;
        const declared = to.ports.map(({ protocol, port }): ProbeTarget => ({ protocol, port, address }));
        const pings: ProbeTarget[] = wanted?.has('icmp') ? [{ protocol: 'icmp', port: 0, address }] : [];
        for (const target of [...declared, ...pings]) {
          if (!wanted || wanted.has(portText(target))) probes.push({ from, to, family, target });
        }
      }
    }
  }
  return probes;
}

/** Sends all probes in parallel, and compares each with the policies. */
export async function runProbes(cluster: Cluster, probes: readonly Probe[]): Promise<ProbeResult[]> {
  const expected = probes.map((probe) => decide(cluster, probe).verdict);
  const observed = await observe(probes, quick);
  const doubtful = probes.flatMap((_, index) =>
    expected[index] === 'allowed' && observed[index] === 'denied' ? [index] : [],
  );
  const again = await observe(
    doubtful.map((index) => probes[index]!),
    patient,
  );
  for (const [position, index] of doubtful.entries()) observed[index] = again[position]!;
  return probes.map(({ from, to, family, target }, index) => ({
    from: from.key,
    to: to.key,
    port: portText(target),
    family,
    observed: observed[index]!,
    expected: expected[index]!,
  }));
}

/** One for each end that denies. */
export function explainDenials(cluster: Cluster, probes: readonly Probe[]): Denial[] {
  return probes.flatMap((probe) => {
    const decision = decide(cluster, probe);
    return (['egress', 'ingress'] as const).flatMap((direction): Denial[] => {
      const { verdict, reason, nearMisses } = decision[direction];
      if (verdict === 'allowed') return [];
      const { from, to, family, target } = probe;
      const names = { from: from.key, to: to.key, port: portText(target), family };
      return [{ ...names, direction, reason, ...(nearMisses[0] && { hint: nearMisses[0].reason }) }];
    });
  });
}

/** The evaluator's decision for a probe. */
function decide(cluster: Cluster, { from, to, family, target }: Probe): Decision {
  const { protocol, port } = target;
  const ends = { source: from.endpoint(family), destination: to.endpoint(family), family };
  if (protocol === 'icmp') return evaluate(cluster, { ...ends, protocol: 'ICMP' });
  return evaluate(cluster, { ...ends, protocol, destinationPort: port });
}

/** Results in the order of the probes. A probe is allowed only if the target itself answered. */
export async function observe(probes: readonly Probe[], patience: Patience = quick): Promise<Verdict[]> {
  return (await lookAt(probes, patience)).map((seen) => (seen === 'answered' ? 'allowed' : 'denied'));
}

/**
 * What came of a probe: `answered` by the target itself, `other` if another machine answered, `unserved` if the target has no program on that port and silence
 * would prove nothing, or the error: `timeout`, or a name of errno(3).
 */
export type Seen = string;

/** A connection between two stations. */
export interface AskedConnection {
  /** Keys of stations (station.ts). */
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  readonly protocol: ProbeTarget['protocol'];
  /** Ignored for `icmp`. */
  readonly port: number;
  /** What the policies say. If an expected answer is missing, the lab asks again. */
  readonly expected: Verdict;
}

interface Look {
  readonly probe: Probe;
  readonly expected: Verdict;
}

/** Throws LabError `input` if the target has no address of the family. */
export function readConnection(asked: AskedConnection, stationOf: (key: string) => Station): Look {
  const { from, family, protocol, port, expected } = asked;
  const to = stationOf(asked.to);
  const address = stationAddress(to, family);
  if (address === undefined) throw new LabError('input', `${to.key} has no ${family} address`);
  return { probe: { from: stationOf(from), to, family, target: { protocol, port, address } }, expected };
}

/** Sends all probes in parallel, also to ports on which no program of the lab listens. */
export async function look(looks: readonly Look[]): Promise<Seen[]> {
  const seen: Seen[] = looks.map(({ probe }) => (isSilent(probe) ? 'unserved' : 'timeout'));
  for (const patience of [quick, patient]) {
    const open = [...looks.keys()].filter(
      (index) => seen[index] === 'timeout' && (patience === quick || looks[index]!.expected === 'allowed'),
    );
    const answers = await lookAt(
      open.map((index) => looks[index]!.probe),
      patience,
    );
    for (const [position, index] of open.entries()) seen[index] = answers[position]!;
  }
  return seen;
}

/** Nothing answers at such a port. The kernel refuses TCP there, but limits refusals of UDP, and the lab has no SCTP but in its pods. */
function isSilent({ to, target: { protocol, port } }: Probe): boolean {
  if (protocol !== 'UDP' && protocol !== 'SCTP') return false;
  return !to.ports.some((served) => served.protocol === protocol && served.port === port);
}

async function lookAt(probes: readonly Probe[], patience: Patience): Promise<Seen[]> {
  const seen: Seen[] = probes.map(() => 'timeout');
  const bySource = Map.groupBy(probes.keys(), (index) => probes[index]!.from);
  await Promise.all(
    [...bySource].map(async ([from, indexes]) => {
      const targets = indexes.map((index) => probes[index]!.target);
      for (const [position, { identity, error }] of (await from.process.probe(targets, patience)).entries()) {
        const { to, target } = probes[indexes[position]!]!;
        const wanted = target.protocol === 'icmp' ? target.address : to.key;
        seen[indexes[position]!] = error ?? (identity === wanted ? 'answered' : 'other');
      }
    }),
  );
  return seen;
}

function portText({ protocol, port }: ProbeTarget): string {
  return protocol === 'icmp' ? 'icmp' : `${protocol}/${port}`;
}
