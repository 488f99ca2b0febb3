import { ConfigError } from '../../config/config-error.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import { resolveEndpoint } from '../../evaluator/evaluator.ts';
import { messageOf } from '../../lib/message-of.ts';
import { formatAddress } from '../../model/address.ts';
import type { Attempt, SocketProtocol } from '../connect/attempt.ts';
import { socketProtocols } from '../connect/attempt.ts';
import type { End } from '../explain/end-argument.ts';
import { ProbeError } from '../probe/probe-error.ts';
import type { Target } from '../probe/target.ts';
import type { Connection } from './connections.ts';
import type { Sight } from './judge.ts';

/** Tries connections from a pod. Rejects with a ProbeError if that is not possible. */
export type TryFrom = (from: End, to: Target) => Promise<readonly Attempt[]>;

/** Kubernetes cannot remove ephemeral containers, so a run adds only so many. */
const mostContainers = 50;
/** Pods that are probed at the same time. */
const mostAtOnce = 4;

/** One container: from a pod, to a port of some addresses. */
interface Trial {
  readonly from: End;
  readonly protocol: SocketProtocol;
  readonly port: number;
  readonly hosts: Set<string>;
}

/** Tries each different connection once, from its pod. One container tries all addresses with the same port. */
export async function lookFromPods(
  cluster: Cluster,
  connections: readonly Connection[],
  tryFrom: TryFrom,
): Promise<(connection: Connection) => Sight> {
  const trials = new Map<string, Trial>();
  for (const connection of connections) {
    const question = readQuestion(cluster, connection);
    if ('untried' in question) continue;
    const { key, address, ...rest } = question;
    const trial = trials.get(key) ?? { ...rest, hosts: new Set() };
    trials.set(key, trial);
    trial.hosts.add(address);
  }
  if (trials.size > mostContainers) {
    throw new ConfigError(
      `the expectations need ${trials.size} ephemeral containers, which stay in their pods; the limit of a run is ${mostContainers}: select fewer pods, or run without --probe`,
    );
  }
  const answers = await tryAll(trials, tryFrom);
  return (connection) => {
    const question = readQuestion(cluster, connection);
    if ('untried' in question) return question;
    const { key, address, protocol } = question;
    const answer = answers.get(key)!;
    if ('error' in answer) return answer;
    const attempt = answer.attempts.find((each) => each.address === address);
    return attempt ? { attempt, protocol } : { error: `the container has not tried ${address}` };
  };
}

type Answer = { readonly attempts: readonly Attempt[] } | { readonly error: string };

/** The probes of one pod run one after the other. */
async function tryAll(trials: ReadonlyMap<string, Trial>, tryFrom: TryFrom): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const waiting = [...Map.groupBy(trials, ([, { from }]) => from.name).values()];
  const tryNext = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      for (const [key, { from, protocol, port, hosts }] of group) {
        const target = { name: `${protocol}/${port}`, hosts: [...hosts], protocol, port, notes: [] };
        answers.set(key, await tryOne(from, target, tryFrom));
      }
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, tryNext));
  return answers;
}

async function tryOne(from: End, target: Target, tryFrom: TryFrom): Promise<Answer> {
  try {
    return { attempts: await tryFrom(from, target) };
  } catch (error) {
    if (error instanceof ProbeError || error instanceof ConfigError) return { error: messageOf(error) };
    throw error;
  }
}

type Question =
  | { readonly untried: string }
  | {
      readonly key: string;
      readonly from: End;
      readonly protocol: SocketProtocol;
      readonly port: number;
      readonly address: string;
    };

function readQuestion(cluster: Cluster, { from, to, family, traffic }: Connection): Question {
  const { protocol, destinationPort: port } = traffic;
  const known = socketProtocols.find((each) => each === protocol);
  if (from.pod === undefined) return { untried: `a probe starts in a pod, and ${from.name} is none` };
  if (to.isSample) return { untried: `a probe sends nothing to addresses of ${to.name} that nobody may have` };
  if (!known || port === undefined) return { untried: `a probe supports TCP and UDP only, not ${protocol}` };
  const party = resolveEndpoint(cluster, to.endpoints.get(family)!, family);
  if (typeof party === 'string') return { untried: party };
  const address = formatAddress(family, party.address.value);
  const end = { name: from.name, endpoints: from.endpoints, notes: [] };
  return { key: `${from.pod} ${known}/${port}`, from: end, protocol: known, port, address };
}
