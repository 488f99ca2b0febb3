import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { enforceAudits, prepareCluster, type Cluster } from '../../src/evaluator/cluster.ts';
import type { Decision } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { directions, modeAnnotation, type Direction } from '../../src/model/policy.ts';
import type { Chain, Ruleset, Table } from '../../src/nftables/ruleset.ts';
import { routedTable } from '../../src/nftables/ruleset.ts';
import { trace } from '../../src/nftables/trace.ts';
import { hooksOf, packetsOf, type Place } from '../support/path.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { clusters, flows, nodeNames, tieredClusters, type RandomFlow } from '../support/random-cluster.ts';
import { layouts, linksOf, placeOf, placesOf, realFlow } from '../support/random-places.ts';

const runs = Number(process.env['POSTERN_PROPERTY_CLUSTERS'] ?? 300);

/** Puts every policy whose turn it is in audit. */
function withAudits(objects: readonly ApiObject[], turns: readonly boolean[]): ApiObject[] {
  let index = 0;
  return objects.map((object) => {
    if (object.kind !== 'NetworkPolicy' || !turns[index++ % turns.length]) return object;
    return { ...object, metadata: { ...object.metadata, annotations: { [modeAnnotation]: 'audit' } } };
  });
}

const isAudited = ({ kind, metadata }: ApiObject): boolean =>
  kind === 'NetworkPolicy' &&
  (metadata['annotations'] as Record<string, string> | undefined)?.[modeAnnotation] === 'audit';

const arbitraryTurns = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 });

describe('random clusters: policies in audit (S13)', function () {
  this.timeout(0);

  // With three tiers, few flows pass that a policy in audit would deny.
  for (const [what, arbitrary, flowsPerCluster] of [
    ['NetworkPolicies', clusters, 30],
    ['all three tiers', tieredClusters, 120],
  ] as const) {
    it(`change no rule that judges: the rest of the rule set is that of the cluster without them (S13.2), with ${what}`, () => {
      let audited = 0;
      fc.assert(
        fc.property(arbitrary, arbitraryTurns, fc.boolean(), layouts, (objects, turns, fastPath, layout) => {
          const all = withAudits(objects, turns);
          const places = placesOf(all);
          const links = linksOf(places, layout);
          for (const node of nodeNames) {
            const [given, without] = [all, all.filter((each) => !isAudited(each))].map((each): Ruleset => {
              const pipeline = startPipeline(node, each, { fastPath });
              pipeline.receive({ op: 'links', links });
              return pipeline.plan(undefined).compiled.ruleset;
            }) as [Ruleset, Ruleset];
            assert.deepEqual(Object.keys(given), Object.keys(without));
            assert.deepEqual(given.bridge, without.bridge);
            for (const family of ['ip', 'ip6'] as const) {
              const rest = withoutAudits(given[family]!);
              assert.deepEqual(rest.chains, plainOf(without[family]!.chains, rest.chains));
              audited += given[family]!.maps.has(auditMaps[family]) ? 1 : 0;
            }
          }
        }),
        { numRuns: runs },
      );
      assert.ok(audited > runs / 20, `only ${audited} tables had an audit`);
    });

    it(`are recorded where they would deny what passes (S13.3), with ${what}`, () => {
      let [recorded, passed] = [0, 0];
      fc.assert(
        fc.property(
          arbitrary,
          arbitraryTurns,
          fc.boolean(),
          layouts,
          fc.array(flows, { minLength: flowsPerCluster, maxLength: flowsPerCluster }),
          (objects, turns, fastPath, layout, randomFlows) => {
            const all = withAudits(objects, turns);
            const places = placesOf(all);
            const links = linksOf(places, layout);
            const rulesets = new Map(
              nodeNames.map((node) => {
                const pipeline = startPipeline(node, all, { fastPath, allowed: { tunnels: true } });
                pipeline.receive({ op: 'links', links });
                return [node, pipeline.plan(undefined).compiled.ruleset];
              }),
            );
            const now = prepareCluster(all);
            const enforced = enforceAudits(now);
            const hasTiers = all.some(({ kind }) => kind === 'ClusterNetworkPolicy');
            for (const each of randomFlows) {
              const flow = realFlow(each, all);
              const source = places.get(flow.source) ?? placeOf(flow.source, all);
              const destination = places.get(flow.destination) ?? placeOf(flow.destination, all);
              if (!source || !destination || hooksOf(source, destination).length === 0) continue;
              const [before, after] = [decide(now, each, flow), decide(enforced, each, flow)];
              const found = auditedIn(rulesets, flow, { source, destination }, links);
              for (const direction of directions) {
                const wouldDeny = before.verdict === 'allowed' && after[direction].verdict === 'denied';
                // The agent leaves out what an Admin policy accepts: the kernel records it.
                if (hasTiers && !wouldDeny) continue;
                assert.equal(
                  found.has(direction),
                  wouldDeny,
                  `${direction} ${JSON.stringify(flow)}: ${after[direction].reason}`,
                );
                if (wouldDeny) recorded++;
                else if (before.verdict === 'allowed') passed++;
              }
            }
          },
        ),
        { numRuns: runs },
      );
      assert.ok(recorded > runs / 20, `only ${recorded} packets were recorded`);
      if (what === 'NetworkPolicies') assert.ok(passed > runs, `only ${passed} packets passed without a record`);
    });
  }
});

type RealFlow = ReturnType<typeof realFlow>;

function decide(cluster: Cluster, { protocol, family }: RandomFlow, flow: RealFlow): Decision {
  return evaluate(cluster, {
    source: { address: flow.source },
    destination: { address: flow.destination },
    protocol,
    ...(flow.destinationPort === undefined ? {} : { destinationPort: flow.destinationPort }),
    family,
    ...(flow.source === flow.destination && { throughService: true }),
  });
}

/** The directions in which a node on the path records the packet, if all nodes before it accept it. */
function auditedIn(
  rulesets: ReadonlyMap<string, Ruleset>,
  flow: RealFlow,
  places: { source: Place; destination: Place },
  links: ReturnType<typeof linksOf>,
): Set<Direction> {
  const found = new Set<Direction>();
  for (const { node, packet } of packetsOf(flow, places, 'original', links)) {
    const { verdict, path } = trace(rulesets.get(node)![routedTable[flow.family]]!, packet);
    if (verdict !== 'accept') return new Set();
    for (const { verdict: step } of path) {
      for (const direction of directions) {
        if (step.kind === 'jump' && step.chain === `record-audit-${direction}`) found.add(direction);
      }
    }
  }
  return found;
}

const judging = ['drop', 'accept', 'reject-tcp-reset'];
const auditMaps = { ip: 'audit-egress4', ip6: 'audit-egress6' } as const;

/** The table without the rules that lead to audits, and without all that only these reach. */
function withoutAudits(table: Table): Pick<Table, 'chains'> {
  const chains = new Map<string, Chain>();
  const isToAudit = (rule: Chain['rules'][number]): boolean =>
    rule.verdict.kind === 'vmap' && rule.verdict.map.startsWith('audit-');
  for (const [name, chain] of table.chains) {
    const ofAudit = /^(audit|would-deny|record-audit)-/.test(name);
    if (ofAudit) {
      for (const { verdict } of chain.rules) assert.ok(!judging.includes(verdict.kind));
    } else chains.set(name, { ...chain, rules: chain.rules.filter((rule) => !isToAudit(rule)) });
  }
  return { chains };
}

/** Chains behind port maps may be those of audits only. */
function plainOf(chains: Table['chains'], others: Table['chains']): Map<string, Chain> {
  const extra = [...others].filter(([name]) => !chains.has(name));
  for (const [, { rules }] of extra) assert.ok(rules.every(({ verdict }) => !judging.includes(verdict.kind)));
  return new Map([...chains, ...extra]);
}
