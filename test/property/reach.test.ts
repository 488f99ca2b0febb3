import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster, textOf } from '../../src/evaluator/cluster.ts';
import type { Cluster } from '../../src/evaluator/cluster.ts';
import type { Direction, Flow } from '../../src/evaluator/decision.ts';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import type { Pod } from '../../src/evaluator/party.ts';
import { findReach } from '../../src/evaluator/reach.ts';
import type { Reach, RuleReach } from '../../src/evaluator/reach.ts';
import { clusters } from '../support/random-cluster.ts';

const runs = Number(process.env['POSTERN_PROPERTY_CLUSTERS'] ?? 250);
const portNumbers = [1, 53, 79, 80, 81, 443, 8080, 65535];

describe('random clusters: what may reach a pod and what it may reach is what the evaluator says of its flows', function () {
  this.timeout(0);

  it('for each other pod, protocol and port: the same rules allow it', () => {
    let allowed = 0;
    fc.assert(
      fc.property(clusters, (objects) => {
        const cluster = prepareCluster(objects);
        const pods = [...cluster.pods.values()].filter((pod) => ownsAddresses(cluster, pod));
        for (const pod of pods) {
          if (pod.hostNetwork) continue;
          for (const direction of ['ingress', 'egress'] as const) {
            const reach = findReach(cluster, pod, direction);
            for (const other of pods) {
              if (other === pod || (direction === 'ingress' && other.hostNetwork)) continue;
              for (const traffic of traffics) {
                const { isolatedBy, rules } = judge(cluster, pod, other, direction, traffic);
                // From where they have no family in common nothing comes.
                if (!rules) continue;
                assert.deepEqual(reach.isolatedBy, isolatedBy);
                if (isolatedBy.length === 0) continue;
                const promised = reach.rules.filter((rule) =>
                  promises(rule, direction === 'ingress' ? pod : other, other.key, traffic),
                );
                const names = new Set(promised.map(({ policy, path }) => `${policy} ${path}`));
                assert.deepEqual(names, rules, `${direction} of ${pod.key}, ${other.key}, ${JSON.stringify(traffic)}`);
                allowed += names.size;
              }
            }
          }
        }
      }),
      { numRuns: runs },
    );
    assert.ok(allowed > runs, `only ${allowed} allowed`);
  });
});

type Traffic = Pick<Flow, 'protocol' | 'destinationPort'>;

const traffics: readonly Traffic[] = [
  { protocol: 47 },
  ...(['TCP', 'UDP', 'SCTP'] as const).flatMap((protocol) =>
    portNumbers.map((destinationPort) => ({ protocol, destinationPort })),
  ),
];

function ownsAddresses(cluster: Cluster, pod: Pod): boolean {
  if (pod.terminal || pod.addresses.length === 0) return false;
  const isItsOwn = (text: string): boolean => {
    const claimants = cluster.claimants.get(text) ?? [];
    return claimants.length === 1 && claimants[0] === pod;
  };
  return pod.hostNetwork || pod.addresses.map(textOf).every(isItsOwn);
}

/** The rules that allow it in any family that both have. */
function judge(
  cluster: Cluster,
  pod: Pod,
  other: Pod,
  direction: Direction,
  traffic: Traffic,
): { isolatedBy: Reach['isolatedBy']; rules: Set<string> | undefined } {
  const [self, them] = [{ pod: pod.key }, { pod: other.key }];
  const [source, destination] = direction === 'ingress' ? [them, self] : [self, them];
  const common = familiesOf(cluster, self).filter((family) => familiesOf(cluster, them).includes(family));
  const ends = common.map((family) => evaluate(cluster, { source, destination, ...traffic, family })[direction]);
  const rules = ends.flatMap(({ allowedBy }) => allowedBy.map(({ policy, path }) => `${policy} ${path}`));
  return { isolatedBy: ends[0]?.isolatedBy ?? [], rules: common.length === 2 ? new Set(rules) : undefined };
}

/** What a reader takes from the answer. */
function promises({ obstacle, peers, ports }: RuleReach, destination: Pod, other: string, traffic: Traffic): boolean {
  if (obstacle !== undefined) return false;
  if (peers !== 'any' && !peers.some(({ pods }) => pods.includes(other))) return false;
  if (ports === 'any') return true;
  return ports.some(({ text, numbers }) => {
    const [, protocol, first, last] = /^(\w+)\/(\w+)(?:–([0-9]+))?$/.exec(text) ?? [];
    const port = traffic.destinationPort;
    if (protocol !== traffic.protocol || port === undefined) return false;
    if (first === 'any') return true;
    if (!numbers) return Number(first) <= port && port <= Number(last ?? first);
    // On this one of several destinations; what is on the host's network has no names (S4.6).
    const declares = destination.namedPorts.some(
      (each) => each.name === first && each.protocol === protocol && each.port === port,
    );
    return numbers.includes(port) && declares && !destination.hostNetwork;
  });
}
