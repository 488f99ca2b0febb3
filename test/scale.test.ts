import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { families } from '../src/model/address.ts';
import { catchAll, type Operation, type Ruleset } from '../src/nftables/ruleset.ts';
import { longestWay } from './support/nft/longest-way.ts';
import { endOf, sandbox } from './support/objects.ts';
import { compileNode, keyOf, removeOf, startPipeline, upsertOf, type ApiObject } from './support/pipeline.ts';
import { countWholeReads } from './support/whole-reads.ts';
import { routedTables } from './support/routed.ts';

/** All policies of the large cluster allow packets to it. */
const dnsPod = 'dns-1';

/** By counts, not by the clock: what one event costs, and what a packet meets, in a large cluster. */
describe('scale: 5,000 pods, 500 policies, 100 pods on this node', function () {
  this.timeout(0);
  const cluster = largeCluster({ namespaces: 50, podsEach: 100, localEach: 2, policiesEach: 10 });

  it('a pod event that changes one group writes just its elements, and builds just the classes that read it', () => {
    const pipeline = startPipeline('n1', cluster);
    const applied = pipeline.plan(undefined).result;
    const before = { ...pipeline.visits };
    // n7/pod-3 leaves app-3 for app-4: remote, and named as a peer by policies of its own namespace only.
    const pod = cluster.find(
      ({ kind, metadata }) => kind === 'Pod' && metadata.namespace === 'n7' && metadata.name === 'pod-3',
    )!;
    const moved = { ...pod, metadata: { ...pod.metadata, labels: { app: 'app-4', pod: 'pod-3' } } };
    pipeline.receive(upsertOf(moved));
    const { result: plan, ...reads } = countWholeReads(() => pipeline.plan(applied));

    const expected = compileNode('n1', [...cluster.filter((object) => object !== pod), moved]);
    const { added, removed } = elementChanges(applied, expected);
    assert.ok(added.length > 0 && removed.length > 0);
    assert.deepEqual(elementOperations(plan.stages.flatMap(({ operations }) => operations)), { added, removed });
    assert.deepEqual(
      plan.stages.map(({ name, operations }) => [name, ...new Set(operations.map(({ verb }) => verb))]),
      [
        ['switch', 'add elements'],
        ['break', 'delete elements'],
      ],
    );
    assert.ok(plan.compiled.counts.classes > 50, `${plan.compiled.counts.classes} classes`);
    const { visitedClasses, builtClasses } = plan.compiled.counts;
    assert.ok(
      builtClasses <= visitedClasses && visitedClasses <= 4,
      `${visitedClasses} visited, ${builtClasses} built`,
    );
    const visits = {
      pods: pipeline.visits.pods - before.pods,
      selections: pipeline.visits.selections - before.selections,
    };
    assert.ok(visits.pods <= 10 && visits.selections <= 40, JSON.stringify(visits));
    assert.deepEqual(reads, { elements: 0, sets: 0 });
  });

  it('a pod that most classes name costs what its elements cost, also while sets are in their second edition', () => {
    const find = (wanted: string) => cluster.find(({ kind, metadata }) => kind === 'Pod' && metadata.name === wanted)!;
    const dns = find(dnsPod);
    const gone = { ...dns, metadata: { ...dns.metadata, labels: {} } };
    const pipeline = startPipeline('n1', cluster);
    let applied = pipeline.plan(undefined).result;
    const assertCheap = (object: ApiObject): void => {
      pipeline.receive(upsertOf(object));
      const { result: plan, ...reads } = countWholeReads(() => pipeline.plan(applied));
      assert.deepEqual(reads, { elements: 0, sets: 0 });
      const { added, removed } = elementChanges(applied, plan.result);
      assert.deepEqual(elementOperations(plan.stages.flatMap(({ operations }) => operations)), { added, removed });
      const { classes, builtClasses } = plan.compiled.counts;
      assert.ok(builtClasses > 50 && builtClasses < classes, `${builtClasses} of ${classes} classes built`);
      // Two protocols, in each family.
      assert.equal(added.length + removed.length, 4 * builtClasses);
      for (const [index, table] of routedTables(plan.result).entries()) {
        assert.equal(table.chains, routedTables(applied)[index]!.chains);
      }
      applied = plan.result;
    };
    for (const object of [gone, dns]) assertCheap(object);

    // A local pod moves to the class of another one while a set of this class changes.
    const local = find('pod-99');
    pipeline.receive(upsertOf({ ...local, metadata: { ...local.metadata, labels: { app: 'app-8' } } }));
    pipeline.receive(upsertOf(gone));
    applied = pipeline.plan(applied).result;
    assert.ok(routedTables(applied).every(({ sets }) => sets.keys().some((name) => name.endsWith('/2'))));
    for (const object of [dns, gone]) assertCheap(object);
  });

  it('a pod event that changes nothing for this node writes nothing and builds nothing', () => {
    const pipeline = startPipeline('n1', cluster);
    const applied = pipeline.plan(undefined).result;
    const stranger: ApiObject = {
      kind: 'Pod',
      metadata: { namespace: 'n9', name: 'stranger', uid: 'stranger', labels: { app: 'none' } },
      spec: { nodeName: 'n2' },
      status: { phase: 'Running', podIPs: [{ ip: '10.200.0.1' }] },
    };
    const { compiled } = pipeline.plan(applied);
    for (const event of [upsertOf(stranger), removeOf(stranger)]) {
      pipeline.receive(event);
      const plan = pipeline.plan(applied);
      assert.deepEqual(plan.stages, []);
      assert.equal(plan.compiled.counts.builtClasses, 0);
      // Not even looked for.
      assert.equal(plan.compiled, compiled);
    }
  });

  it('a policy event visits the local pods that it selects, not the cluster', () => {
    const pipeline = startPipeline('n1', cluster);
    pipeline.plan(undefined);
    const before = { ...pipeline.visits };
    const policy = cluster.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.namespace === 'n7')!;
    pipeline.receive(removeOf(policy));
    pipeline.receive(upsertOf(policy));
    const visits = {
      pods: pipeline.visits.pods - before.pods,
      selections: pipeline.visits.selections - before.selections,
    };
    assert.ok(visits.pods <= 40 && visits.selections <= 60, JSON.stringify(visits));
    assert.ok(pipeline.plan(undefined).compiled.counts.builtClasses <= 4);
  });

  it('one more pod that claims the address of 300 others is looked at alone', () => {
    const claimant = (index: number): ApiObject => podObject('n1', `twin-${index}`, 'n2', [77, 7], 'app-1');
    const twins = Array.from({ length: 300 }, (_, index) => claimant(index));
    const pipeline = startPipeline('n1', [...cluster, ...twins]);
    const before = pipeline.visits.selections;
    pipeline.receive(upsertOf(claimant(300)));
    const visits = pipeline.visits.selections - before;
    assert.ok(visits <= 40, `${visits} selections`);
  });

  it('a sandbox that starts or ends writes what is its own, and no rule', () => {
    const options = { podCidrs: ['10.100.0.0/16', 'fd01::/64'] };
    const local = cluster.filter(({ spec }) => (spec as { nodeName?: string } | undefined)?.nodeName === 'n1');
    const addressesOf = ({ status }: ApiObject) => (status as { podIPs: { ip: string }[] }).podIPs.map(({ ip }) => ip);
    for (const port of [undefined, 'eth']) {
      const link = (index: number) => ({
        device: port ? 'cni0' : `veth${index}`,
        ...(port && { port: `${port}${index}` }),
      });
      const pipeline = startPipeline('n1', cluster, options);
      for (const [index, each] of local.entries())
        pipeline.receive(sandbox(keyOf(each), { uid: each.metadata.uid!, ips: addressesOf(each), link: link(index) }));
      // Another of an unknown pod: the first of a node brings the chains of those that may do nothing.
      pipeline.receive(sandbox('n1/other', { ips: ['10.100.255.2', 'fd01::ffff:2'], link: link(1001) }));
      const applied = pipeline.plan(undefined).result;
      pipeline.receive(sandbox('n1/new', { ips: ['10.100.255.1', 'fd01::ffff:1'], link: link(1000) }));
      const started = pipeline.plan(applied);
      pipeline.receive(endOf(sandbox('n1/new')));
      const ended = pipeline.plan(started.result);
      for (const { stages, compiled } of [started, ended]) {
        const operations = stages.flatMap((stage) => stage.operations);
        const verbs = operations.map(({ verb }) => verb);
        assert.ok(operations.length <= 40 && verbs.every((verb) => /elements|mappings/.test(verb)), verbs.join());
        assert.equal(compiled.counts.builtClasses, 0);
      }
    }
  });

  it('a packet meets as many rules with 150 policies on each pod as with 50', () => {
    const [few, many] = [50, 150].map((count) => {
      const budgets = { policy: Infinity, namespace: Infinity, node: Infinity };
      const { ruleset } = startPipeline('n1', crowdedNode(count), { budgets }).plan(undefined).compiled;
      return families.map((family) => longestWay(ruleset, family));
    });
    assert.deepEqual(many, few);
    assert.ok(Math.max(...few!) <= 40, `${few!.join(' and ')} rules`);
  });

  it('elements stay within 8 times the members and ports that the policies of a pod name', () => {
    const pipeline = startPipeline('n1', cluster);
    const { compiled } = pipeline.plan(undefined);
    const { policies, localPods, groups } = pipeline.snapshot;
    let named = 0;
    for (const pod of localPods.values()) {
      for (const rule of pod.policies.flatMap((id) => Object.values(policies.get(id)!.rules).flat())) {
        named += rule.ports.length;
        for (const peer of rule.peers) named += peer.kind === 'pods' ? groups.get(peer.group)!.members.size : 1;
      }
    }
    const sets = routedTables(compiled.ruleset).flatMap((table) => [...table.sets.values()]);
    const elements = sets.reduce((sum, set) => sum + set.elements.size, 0);
    assert.ok(elements > 0 && elements <= 8 * named, `${elements} elements for ${named} members and ports`);
  });

  it('110 pods with a class each need at most 2,000 sets', () => {
    const ruleset = compileNode('n1', varietyNode(110));
    const [ip, ip6] = routedTables(ruleset);
    for (const map of [ip.maps.get('ingress4')!, ip6.maps.get('ingress6')!]) {
      const classes = map.elements
        .entries()
        .map(([address, verdict]) => address !== catchAll && JSON.stringify(verdict));
      assert.equal(new Set(classes.filter(Boolean)).size, 110);
    }
    const sets = ip.sets.size + ip6.sets.size;
    assert.ok(sets <= 2000, `${sets} sets`);
  });
});

function largeCluster(size: {
  namespaces: number;
  podsEach: number;
  localEach: number;
  policiesEach: number;
}): ApiObject[] {
  const dns = { kind: 'Namespace', metadata: { name: 'dns', uid: 'dns', labels: {} } };
  const objects: ApiObject[] = [dns, podObject('dns', dnsPod, 'n2', [300, 1], 'dns')];
  for (let p = 2; p < 50; p++) objects.push(podObject('dns', `dns-${p}`, 'n2', [300, p], 'dns'));
  for (let n = 0; n < size.namespaces; n++) {
    const namespace = `n${n}`;
    objects.push({
      kind: 'Namespace',
      metadata: { name: namespace, uid: namespace, labels: { tier: `tier-${n % 5}` } },
    });
    for (let p = 0; p < size.podsEach; p++) {
      objects.push(
        podObject(namespace, `pod-${p}`, p >= size.podsEach - size.localEach ? 'n1' : 'n2', [n, p], `app-${p % 10}`),
      );
    }
    for (let p = 0; p < size.policiesEach; p++) {
      objects.push(
        policyObject(namespace, `policy-${p}`, {
          podSelector: p < 2 ? {} : { matchLabels: { app: `app-${p}` } },
          policyTypes: ['Ingress', 'Egress'],
          ingress: [
            {
              from: [{ podSelector: { matchLabels: { app: `app-${(p + 3) % 10}` } } }],
              ports: [{ port: 8000 + p }, { port: 53, protocol: 'UDP' }],
            },
            {
              from: [{ ipBlock: { cidr: `172.16.${n}.0/24`, except: [`172.16.${n}.${p}/32`] } }],
              ports: [{ port: 443, endPort: 450 }],
            },
          ],
          egress: [
            { to: [{ podSelector: { matchLabels: { app: `app-${(p + 4) % 10}` } } }], ports: [{ port: 9000 }] },
            {
              to: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'dns' } } }],
              ports: [{ port: 53 }, { port: 53, protocol: 'UDP' }],
            },
          ],
        }),
      );
    }
  }
  return objects;
}

/** Every policy applies to every local pod and brings a rule of each kind: pods, blocks, ranges, ports for all. */
function crowdedNode(policies: number): ApiObject[] {
  const objects: ApiObject[] = [{ kind: 'Namespace', metadata: { name: 'x', uid: 'x', labels: {} } }];
  for (let p = 0; p < 520; p++)
    objects.push(podObject('x', `pod-${p}`, p < 5 ? 'n1' : 'n2', [p >> 8, p & 255], `app-${p % 7}`));
  for (let p = 0; p < policies; p++) {
    const group = (key: string) => [
      {
        podSelector: {
          matchExpressions: [
            { key: 'app', operator: 'In', values: [`app-${p % 7}`] },
            { key, operator: 'DoesNotExist' },
          ],
        },
      },
    ];
    const everyone = [{ podSelector: { matchExpressions: [{ key: `absent-${p}`, operator: 'DoesNotExist' }] } }];
    const rules = (peers: 'from' | 'to') => [
      { [peers]: group(`a-${p}`), ports: [{ port: 1000 + p }] },
      { [peers]: group(`b-${p}`), ports: [{ port: 2000 + p, endPort: 2001 + p * 2 }] },
      { [peers]: everyone, ports: [{ port: 3000, endPort: 3001 + p }] },
      { [peers]: group(`c-${p}`) },
      {
        [peers]: [{ ipBlock: { cidr: `172.16.${p & 255}.0/24` } }, { ipBlock: { cidr: `fd00:${p}::/64` } }],
        ports: [{ port: 4000 + p, protocol: 'UDP' }],
      },
      { [peers]: [{ ipBlock: { cidr: `172.17.${p & 255}.0/24` } }] },
      { ports: [{ port: 5000 + p }] },
    ];
    objects.push(
      policyObject('x', `policy-${p}`, {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
        ingress: rules('from'),
        egress: rules('to'),
      }),
    );
  }
  return objects;
}

/** A policy for each pod, none like another. */
function varietyNode(pods: number): ApiObject[] {
  const objects: ApiObject[] = [{ kind: 'Namespace', metadata: { name: 'x', uid: 'x', labels: {} } }];
  for (let p = 0; p < pods; p++) {
    objects.push(podObject('x', `pod-${p}`, 'n1', [0, p], `app-${p}`));
    const rules = (peers: 'from' | 'to') => [
      { [peers]: [{ podSelector: { matchLabels: { app: `app-${(p + 1) % pods}` } } }], ports: [{ port: 1000 + p }] },
      { [peers]: [{ podSelector: { matchLabels: { app: `app-${(p + 2) % pods}` } } }] },
      { [peers]: [{ ipBlock: { cidr: `172.16.${p}.0/24` } }], ports: [{ port: 2000 + p, endPort: 3000 + p }] },
      { ports: [{ port: 4000 + p }] },
    ];
    objects.push(
      policyObject('x', `policy-${p}`, {
        podSelector: { matchLabels: { app: `app-${p}` } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: rules('from'),
        egress: rules('to'),
      }),
    );
  }
  return objects;
}

function podObject(
  namespace: string,
  name: string,
  nodeName: string,
  [high, low]: readonly [number, number],
  app: string,
): ApiObject {
  return {
    kind: 'Pod',
    metadata: { namespace, name, uid: `${namespace}-${name}`, labels: { app, pod: name } },
    spec: { nodeName },
    status: {
      phase: 'Running',
      podIPs: [{ ip: `10.${100 + (high >> 8)}.${high & 255}.${low}` }, { ip: `fd01::${high}:${low}` }],
    },
  };
}

function policyObject(namespace: string, name: string, spec: unknown): ApiObject {
  return { kind: 'NetworkPolicy', metadata: { namespace, name, uid: `${namespace}-${name}` }, spec };
}

interface ElementChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

function elementChanges(before: Ruleset, after: Ruleset): ElementChanges {
  const elementsIn = (ruleset: Ruleset): Set<string> => {
    const elements = Object.entries(ruleset).flatMap(([family, table]) =>
      [...table.sets.values()].flatMap((set) => [...set.elements].map((each) => `${family} ${set.name} ${each}`)),
    );
    return new Set(elements);
  };
  const [old, now] = [elementsIn(before), elementsIn(after)];
  return { added: [...now.difference(old)].sort(), removed: [...old.difference(now)].sort() };
}

function elementOperations(operations: readonly Operation[]): ElementChanges {
  const of = (verb: 'add elements' | 'delete elements'): string[] =>
    operations
      .flatMap((operation) =>
        operation.verb === verb
          ? [...operation.elements].map((each) => `${operation.family} ${operation.set.name} ${each}`)
          : [],
      )
      .sort();
  return { added: of('add elements'), removed: of('delete elements') };
}
