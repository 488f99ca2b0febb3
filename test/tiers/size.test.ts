import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Budgets } from '../../src/compile/budgets.ts';
import type { Compiled } from '../../src/compile/compile.ts';
import { families } from '../../src/model/address.ts';
import { longestWay } from '../support/nft/longest-way.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { routedTables } from '../support/routed.ts';

const teams = ['red', 'blue', 'green', 'pink'];
const actions = ['Deny', 'Accept', 'Pass'];
/** As many as the definition allows in each list. */
const most = 25;

/** The pods of a fifth of each namespace are on n1. In `pink`, which the largest policy does not select, a NetworkPolicy isolates them. */
function cluster(podsEach: number): ApiObject[] {
  return [
    ...teams.map((team) => namespace(team, { team })),
    ...teams.flatMap((team, index) =>
      Array.from({ length: podsEach }, (_, number) =>
        pod(`${team}/p${number}`, {
          node: number % 5 === 0 ? 'n1' : 'n2',
          ips: [`10.${index + 1}.${number >> 8}.${number & 255}`],
          labels: { app: `a${number % 5}` },
        }),
      ),
    ),
    policy('pink/np', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }),
  ];
}

function cnp(name: string, spec: object): ApiObject {
  return { kind: 'ClusterNetworkPolicy', metadata: { name, uid: name }, spec };
}

/** Policies for everyone, each with a priority of its own. */
function policiesForAll(count: number): ApiObject[] {
  return Array.from({ length: count }, (_, index) => {
    const peer = { namespaces: { matchLabels: { team: teams[index % teams.length] } } };
    const blocks = { networks: [`10.${index % 250}.0.0/16`, `192.0.${index % 250}.0/24`] };
    const protocols = [{ tcp: { destinationPort: { number: 1 + index } } }];
    return cnp(`c${index}`, {
      tier: index % 2 === 0 ? 'Admin' : 'Baseline',
      priority: index,
      subject: { namespaces: {} },
      ingress: [{ action: actions[index % 3], from: [peer], protocols }],
      egress: [{ action: actions[(index + 1) % 3], to: [blocks, peer], protocols }],
    });
  });
}

/** All lists are full: 15,625 blocks, 625 selectors, 1,250 ports. */
function largest(name: string, own: readonly string[]): ApiObject {
  const each = <T>(make: (index: number) => T): T[] => Array.from({ length: most }, (_, index) => make(index));
  return cnp(name, {
    tier: 'Admin',
    priority: 0,
    subject: { namespaces: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['pink'] }] } },
    ingress: each((rule) => ({
      action: own[rule % own.length],
      from: each((peer) => ({
        pods: {
          podSelector: { matchLabels: { app: `a${(rule + peer) % 5}` } },
          namespaceSelector: { matchLabels: { team: teams[(rule * peer) % 4] } },
        },
      })),
      protocols: each((port) => ({ tcp: { destinationPort: { number: 1 + rule * most + port } } })),
    })),
    egress: each((rule) => ({
      action: own[rule % own.length],
      to: each((peer) => ({
        networks: each(
          (block) => `10.${(rule * most + peer) % 250}.${block * 10}.${block * 7}/${20 + ((rule + peer + block) % 13)}`,
        ),
      })),
      protocols: each((port) => ({
        tcp: { destinationPort: { range: { start: 1 + rule * 17 + port, end: 3000 + rule * 31 + port * 97 } } },
      })),
    })),
  });
}

function compile(objects: readonly ApiObject[], budgets?: Budgets): Compiled {
  return startPipeline('n1', objects, budgets && { budgets }).plan(undefined).compiled;
}

function elementsOf({ ruleset }: Compiled): number {
  const all = routedTables(ruleset).flatMap(({ sets, maps }) => [...sets.values(), ...maps.values()]);
  return all.reduce((sum, { elements }) => sum + elements.size, 0);
}

describe('the size of ClusterNetworkPolicies (S10.23)', function () {
  this.timeout(120_000);

  // The first twelve have every action in every tier and direction.
  it('a packet meets as many rules with 1,000 policies as with twelve, and hardly more than with none', () => {
    const [none, few, many] = [0, 12, 1000].map((count) => {
      const { ruleset, oversized } = compile([...cluster(25), ...policiesForAll(count)]);
      deepEqual([...oversized], []);
      return families.map((family) => longestWay(ruleset, family));
    });
    deepEqual(many, few);
    ok(Math.max(...few!) <= Math.max(...none!) + 8, `${none!.join()} and ${few!.join()} rules`);
  });

  it('and rules and elements grow with the policies, not with their square', () => {
    const [few, many] = [100, 1000].map((count) => elementsOf(compile([...cluster(25), ...policiesForAll(count)])));
    ok(many! < 11 * few!, `${few} and ${many} elements`);
  });

  for (const own of [['Deny'], ['Deny', 'Accept'], actions]) {
    it(`a policy of 25 rules of 25 peers, of 25 blocks, and 25 ports is enforced: ${own.join(', ')}`, () => {
      const compiled = compile([...cluster(25), largest('largest', own)]);
      deepEqual([...compiled.oversized], []);
      ok(elementsOf(compiled) < 250_000, `${elementsOf(compiled)} elements`);
    });
  }

  it('a large policy makes no namespace lose its own', () => {
    // Each allows every port, so in each part of the ports that the large policy cuts, they count.
    const own = teams.flatMap((team) =>
      Array.from({ length: 5 }, (_, app) => {
        const from = [{ podSelector: { matchLabels: { app: `a${(app + 1) % 5}` } } }, { podSelector: {} }];
        const policyTypes = ['Ingress', 'Egress'];
        const podSelector = { matchLabels: { app: `a${app}` } };
        return policy(`${team}/np${app}`, { podSelector, policyTypes, ingress: [{ from }], egress: [{ to: from }] });
      }),
    );
    const without = compile([...cluster(25), ...own]);
    const compiled = compile([...cluster(25), ...own, largest('largest', actions)]);
    const lost = [...compiled.oversized.keys()].filter((id) => id !== '/largest');
    deepEqual(lost, []);
    // Nor do the namespaces' own rules become more.
    const ownChains = ({ ruleset }: Compiled): number =>
      [...ruleset.ip!.chains.keys()].filter((name) => /^(in|e)gress-/.test(name)).length;
    equal(ownChains(compiled), ownChains(without));
  });

  it('tenants cannot make a policy too costly, with many kinds of pods, names of ports and policies', () => {
    const kinds = Array.from({ length: 250 }, (_, index) => `k${index}`);
    const pods = kinds.map((kind, index) => {
      const ports = Array.from({ length: 4 }, (__, port) => ({ name: 'web', containerPort: 1 + index * 4 + port }));
      return pod(`red/${kind}`, { ips: [`10.9.0.${index}`], labels: { kind }, ports });
    });
    const own = kinds.map((kind) =>
      policy(`red/${kind}`, { podSelector: { matchLabels: { kind } }, ingress: [{ from: [{ podSelector: {} }] }] }),
    );
    // What the policies name, times the kinds of pods, would be over the budget.
    const large = Array.from({ length: 8 }, (_, index) => {
      const { spec, ...object } = largest(`large${index}`, actions);
      return { ...object, spec: { ...(spec as object), egress: [] } };
    });
    const { oversized } = compile([...cluster(25), ...pods, ...own, ...large]);
    deepEqual(
      [...oversized.keys()].filter((id) => id.startsWith('/')),
      [],
    );
  });

  it('a tenant whose pods declare a name with 110 numbers costs the cluster no policy, and other tenants nothing', () => {
    const many = Array.from({ length: 250 }, (_, index) => {
      const peer = { namespaces: { matchLabels: { team: teams[index % teams.length] } } };
      const protocols = Array.from({ length: most }, (__, port) => ({
        tcp: { destinationPort: { number: 1 + index * most + port } },
      }));
      const ingress = [{ action: actions[index % 3], from: [peer], protocols }];
      return cnp(`c${index}`, { tier: 'Admin', priority: index + 1, subject: { namespaces: {} }, ingress });
    });
    const pink = [{ namespaces: { matchLabels: { team: 'pink' } } }];
    const byName = [{ action: 'Deny', from: pink, protocols: [{ destinationNamedPort: 'web' }] }];
    const named = cnp('named', { tier: 'Admin', priority: 0, subject: { namespaces: {} }, ingress: byName });
    const pods = Array.from({ length: 110 }, (_, index) =>
      pod(`red/k${index}`, { ips: [`10.9.0.${index + 1}`], ports: [{ name: 'web', containerPort: 1000 + index }] }),
    );
    const np = policy('red/np', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] });
    const { oversized } = compile([...cluster(25), ...pods, np, ...many, named]);
    deepEqual([...oversized.keys()], []);
  });

  it('one that only accepts is paid by the cluster, however many kinds of pods a namespace has', () => {
    const kinds = Array.from({ length: 10 }, (_, index) => `k${index}`);
    const pods = kinds.map((kind, index) => pod(`red/${kind}`, { ips: [`10.9.0.${index}`], labels: { kind } }));
    const own = kinds.map((kind) =>
      policy(`red/${kind}`, { podSelector: { matchLabels: { kind } }, ingress: [{ from: [{ podSelector: {} }] }] }),
    );
    deepEqual([...compile([...cluster(25), ...pods, ...own, largest('accepts', ['Accept'])]).oversized.keys()], []);
  });

  it('one that costs too much is left out, and takes no other policy with it', () => {
    const budgets = { policy: 1700, namespace: 3400, node: 60_000 };
    const compiled = compile([...cluster(25), largest('largest', actions)], budgets);
    deepEqual([...compiled.oversized.keys()], ['/largest']);
    ok(elementsOf(compiled) < 2000, `${elementsOf(compiled)} elements`);
  });

  it('with 100 policies for everyone, 10,000 pods need no more classes, and a label that no rule names costs nothing', () => {
    const objects = cluster(2500);
    const many = policiesForAll(100);
    const [without, withOne] = [objects, [...objects, ...many.slice(0, 1)]].map((each) => compile(each).counts);
    const pipeline = startPipeline('n1', [...objects, ...many]);
    const planned = pipeline.plan(undefined);
    const { classes } = planned.compiled.counts;
    ok(
      // For each direction: what judges pods of no NetworkPolicy, and in ingress, what judges after the NetworkPolicy.
      classes <= withOne!.classes + 3 && without!.classes === 1,
      `${without!.classes}, ${withOne!.classes}, ${classes}`,
    );
    const before = { ...pipeline.visits };
    const stranger = pod('blue/p1', { node: 'n2', ips: ['10.2.0.1'], labels: { app: 'a1', other: 'label' } });
    pipeline.receive(upsertOf(stranger));
    equal(pipeline.plan(planned.result).stages.length, 0);
    ok(pipeline.visits.pods - before.pods <= 10);
  });
});
