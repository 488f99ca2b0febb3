import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Reporter } from '../../src/agent/report.ts';
import type { Budgets } from '../../src/compile/budgets.ts';
import type { FillBudgets } from '../../src/indexer/admission.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { clusterNetworkPolicyKind } from '../../src/kinds/cluster-network-policy.ts';
import { networkPolicyKind } from '../../src/kinds/network-policy.ts';
import { clusterPolicy, namespace, pod, policy } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf } from '../support/pipeline.ts';

describe('Reporter', () => {
  it('shows the sizes of what is in force, run after run', async () => {
    const metrics = createMetrics('1.2.3');
    const reporter = new Reporter({
      node: 'n1',
      logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
      metrics,
      ready: new Checks(['rules']),
      announce: () => assert.fail('there is nothing to tell'),
    });
    const closed = policy('x/closed', { podSelector: {} });
    const [web, other] = [pod('x/web', { ips: ['10.1.0.1', 'fd01::1'] }), pod('x/other', { ips: ['10.1.0.2'] })];
    const pipeline = startPipeline('n1', [namespace('x'), web, closed]);
    let applied = pipeline.plan(undefined).result;
    const seen: unknown[] = [];
    const stranger = pod('x/stranger', { node: 'n2', ips: ['10.2.0.1'] });
    for (const event of [upsertOf(stranger), upsertOf(other), upsertOf(stranger), removeOf(web), removeOf(closed)]) {
      pipeline.receive(event);
      const plan = pipeline.plan(applied);
      applied = plan.result;
      const run = {
        version: { pods: '', namespaces: '', nodes: '', networkpolicies: '', clusternetworkpolicies: '' },
        plan,
        receivedAt: [],
      };
      reporter.applied(run, { snapshot: () => pipeline.snapshot, issues: pipeline.issues, refusedPolicies: 0 });
      const { ip, ip6 } = plan.result;
      const isolated = [ip!.sets.get('isolated4'), ip6!.sets.get('isolated6')].map((set) => set!.elements.size);
      const elements = [ip!, ip6!].flatMap(({ sets, maps }) => [...sets.values(), ...maps.values()]);
      const expected = elements.reduce((sum, each) => sum + each.elements.size, 0);
      const [pods, shown] = await Promise.all(
        ['postern_local_pods', 'postern_ruleset_elements'].map(async (name) => {
          return (await metrics.registry.getSingleMetric(name)!.get()).values.at(-1)?.value;
        }),
      );
      assert.equal(shown, expected);
      seen.push([pods, ...isolated]);
    }
    assert.deepEqual(seen, [
      [1, 1, 1],
      [2, 2, 1],
      [2, 2, 1],
      [1, 1, 0],
      [1, 0, 0],
    ]);
  });

  it('tells of policies whose order is open until it is settled: by log, metric and Event (S10.32)', () => {
    const told: string[] = [];
    const reporter = new Reporter({
      node: 'n1',
      logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
      metrics: createMetrics('1.2.3'),
      ready: new Checks([]),
      announce: (resource, key, { code, path }) => told.push(`${resource} ${key} ${code} ${path}`),
    });
    const issue = { code: 'equal-priority', path: 'spec.priority', message: 'as others', effect: 'enforced' } as const;
    reporter.tied(new Map([['/a', [issue]]]));
    assert.deepEqual(told, ['clusternetworkpolicies a equal-priority spec.priority']);
    assert.deepEqual(reporter.issues, [{ kind: 'policy', object: '/a', ...issue }]);
    reporter.tied(new Map());
    assert.deepEqual(reporter.issues, []);
  });

  it('tells of policies whose port names have more numbers than the node knows (S10.17)', () => {
    const told: string[] = [];
    const reporter = new Reporter({
      node: 'n1',
      logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
      metrics: createMetrics('1.2.3'),
      ready: new Checks([]),
      announce: (resource, key, { code, path }) => told.push(`${resource} ${key} ${code} ${path}`),
    });
    const protocols = [{ destinationNamedPort: 'web' }];
    const guard = clusterPolicy('guard', { ingress: [{ action: 'Deny', from: [{ namespaces: {} }], protocols }] });
    const many = Array.from({ length: 65 }, (_, index) =>
      pod(`x/p${index}`, { ips: [`10.1.0.${index + 1}`], ports: [{ name: 'web', containerPort: 8000 + index }] }),
    );
    const pipeline = startPipeline('n1', [namespace('x'), guard, ...many]);
    const report = (): void => {
      const version = { pods: '', namespaces: '', nodes: '', networkpolicies: '', clusternetworkpolicies: '' };
      const run = { version, plan: pipeline.plan(undefined), receivedAt: [] };
      reporter.applied(run, { snapshot: () => pipeline.snapshot, issues: pipeline.issues, refusedPolicies: 0 });
    };
    report();
    assert.deepEqual(told, ['clusternetworkpolicies guard unknown-port-numbers spec.ingress']);
    assert.deepEqual(
      reporter.issues.map(({ kind, object, code, effect }) => [kind, object, code, effect]),
      [['policy', '/guard', 'unknown-port-numbers', 'failed-closed']],
    );
    pipeline.receive(removeOf(many[0]!));
    report();
    assert.deepEqual(reporter.issues, []);
  });

  it('tells of a list that came back empty until it is believed or back: of the node, as a metric, and in /readyz (S7.18)', async () => {
    const metrics = createMetrics('1.2.3');
    const ready = new Checks(['lists']);
    const told: string[] = [];
    const reporter = new Reporter({
      node: 'n1',
      logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
      metrics,
      ready,
      announce: (resource, key, { code, path }) => told.push(`${resource} ${key} ${code} ${path}`),
    });
    const heldObjects = async (): Promise<number[]> =>
      (await metrics.registry.getSingleMetric('postern_watch_held_objects')!.get()).values.map(({ value }) => value);
    reporter.reportLists(new Set(['pods']));
    reporter.watches.emptied('networkpolicies', 'held', 12);
    assert.match(ready.results()[0]!.reason!, /waiting for the first list of pods/);
    reporter.reportLists(new Set());
    assert.equal(ready.ok, true);
    assert.match(ready.results()[0]!.note!, /lists no networkpolicies, but there were 12: /);
    assert.deepEqual([told, await heldObjects()], [['nodes n1 empty-list networkpolicies'], [12]]);
    reporter.reportLists(new Set(['networkpolicies']));
    assert.equal(ready.ok, false);
    assert.match(
      ready.results()[0]!.reason!,
      /first list of networkpolicies; .* lists no networkpolicies, but this node knew at least 12 before the agent started: the rules stay/,
    );
    reporter.reportLists(new Set());
    for (const end of ['accepted', 'recovered'] as const) {
      reporter.watches.emptied('networkpolicies', 'held', 12);
      reporter.watches.emptied('networkpolicies', end, 12);
      assert.deepEqual([ready.results(), await heldObjects()], [[{ name: 'lists' }], [0]]);
    }
  });

  it('names a policy that is left out for its cost, what it costs, what it may, and what to do (S9.13)', () => {
    const peers = Array.from({ length: 50 }, (_, index) =>
      pod(`x/p${index}`, { node: 'n2', ips: [`10.2.0.${index}`], labels: { app: 'peer' } }),
    );
    const large = policy('x/large', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] });
    const objects = [namespace('x'), pod('x/web', { ips: ['10.1.0.1'] }), ...peers, large];
    const messageWithin = (budgets: Budgets, fillBudgets?: FillBudgets): string => {
      const told: string[] = [];
      const reporter = new Reporter({
        node: 'n1',
        logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
        metrics: createMetrics('1.2.3'),
        ready: new Checks(['rules']),
        announce: (resource, key, { code, effect, message }) =>
          told.push(`${resource} ${key} ${code} ${effect}: ${message}`),
      });
      const pipeline = startPipeline('n1', objects, { budgets, ...(fillBudgets && { fillBudgets }) });
      const plan = pipeline.plan(undefined);
      const run = {
        version: { pods: '', namespaces: '', nodes: '', networkpolicies: '', clusternetworkpolicies: '' },
        plan,
        receivedAt: [],
      };
      reporter.applied(run, { snapshot: () => pipeline.snapshot, issues: pipeline.issues, refusedPolicies: 0 });
      assert.equal(told.length, 1);
      assert.deepEqual(
        reporter.issues.map(({ kind, object }) => `${kind} ${object}`),
        ['policy x/large'],
      );
      return told[0]!;
    };
    const start = 'networkpolicies x/large too-large failed-closed: ';
    const ofPolicy = messageWithin({ policy: 100, namespace: 1000, node: 1000 });
    assert.ok(ofPolicy.startsWith(`${start}costs this node about 160 units, but one policy may cost 100`), ofPolicy);
    const ofNamespace = messageWithin({ policy: 1000, namespace: 120, node: 1000 });
    assert.match(ofNamespace, /costs this node about 160 units .* which together cost about 160 but may cost 120: /);
    const roomy = { policy: 1000, namespace: 1000, node: 1000 };
    const ofNode = messageWithin(roomy, { namespace: 1000, node: 49 });
    assert.match(ofNode, /has 1 selector .* costs this node more than the namespace's share, about 49 units: /);
    for (const message of [ofPolicy, ofNamespace, ofNode])
      assert.match(message, /its allow rules are not programmed\. Use fewer peers/);
  });

  it('says of a refused policy what becomes of its pods, by its kind (S9.10, S10.23)', () => {
    const told: string[] = [];
    const reporter = new Reporter({
      node: 'n1',
      logger: createLogger({ level: 'silent', node: 'n1', version: '1.2.3' }),
      metrics: createMetrics('1.2.3'),
      ready: new Checks(['rules']),
      announce: (resource, key, { message }) => told.push(`${resource} ${key}: ${message}`),
    });
    const guard = { kind: 'ClusterNetworkPolicy', metadata: { name: 'guard' } };
    const spec = { tier: 'Admin', priority: 1, subject: { namespaces: {} } };
    for (const object of [policy('x/p', { podSelector: {} }), { ...guard, spec }]) {
      const kind = object['kind'] === 'NetworkPolicy' ? networkPolicyKind : clusterNetworkPolicyKind;
      reporter.reconciler.refused(kind.parse(object).policy, new Error('no'));
    }
    assert.match(told[0]!, /^networkpolicies x\/p: .* its pods stay isolated/);
    assert.match(told[1]!, /^clusternetworkpolicies guard: .* Deny or Pass rule, its pods have no network/);
  });
});
