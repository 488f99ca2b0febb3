import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Listed, ProofSource } from '../../../src/cli/proof/ask.ts';
import { selectPolicies, type Selection } from '../../../src/cli/proof/select.ts';
import { waitForProof } from '../../../src/cli/proof/wait-for-proof.ts';
import type { Known } from '../../../src/doctor/facts.ts';
import { wantedPolicies } from '../../../src/doctor/proof/wanted.ts';
import { prepareCluster } from '../../../src/evaluator/cluster.ts';
import type { NodePolicies } from '../../../src/model/node-policies.ts';
import { namespace, node, pod, policy } from '../../support/objects.ts';
import { upsertOf, type ApiObject } from '../../support/pipeline.ts';
import { PoliciesAgent } from '../../support/policies-agent.ts';

const webPolicy = (generation: number): ApiObject => {
  const object = policy('x/web', { podSelector: {}, ingress: [] });
  return { ...object, metadata: { ...object.metadata, generation, resourceVersion: `${generation}` } };
};
const names = ['n1', 'n2', 'n3'];
const base = [
  namespace('x'),
  ...names.map((name) => node(name)),
  ...names.map((name) => pod(`x/${name}`, { node: name, ips: [`10.${name.slice(1)}.0.1`] })),
];

/** A cluster in which the test decides what happens at each list. */
class FakeCluster {
  objects: readonly ApiObject[] = [...base, webPolicy(2)];
  readonly agents = new Map(names.map((name) => [name, new PoliciesAgent(name, [...base, webPolicy(1)]).apply()]));
  lists = 0;
  readonly rounds: string[][] = [];
  readonly told: string[] = [];
  now = 0;
  /** Called at each list. */
  happen: (round: number) => void = () => {};

  catchUp(...nodes: readonly string[]): void {
    for (const name of nodes) {
      const agent = this.agents.get(name)!;
      for (const object of this.objects) agent.receive(upsertOf(object));
      agent.apply();
    }
  }

  readonly source: ProofSource = {
    list: async (): Promise<Listed> => {
      this.happen(++this.lists);
      return { objects: this.objects, policies: wantedPolicies(this.objects, prepareCluster(this.objects)) };
    },
    ask: async (_, nodes) => {
      this.rounds.push([...nodes]);
      return new Map<string, Known<NodePolicies>>(nodes.map((name) => [name, { value: this.agents.get(name)!.page }]));
    },
  };

  wait(selection: Selection = { kind: 'ids', ids: ['x/web'] }, timeoutMs = 60_000) {
    return waitForProof({
      source: this.source,
      select: ({ policies }) => selectPolicies(policies, selection),
      timeoutMs,
      now: () => this.now,
      sleep: async (ms) => void (this.now += ms),
      progress: (text) => this.told.push(text),
    });
  }
}

describe('waiting for a proof', () => {
  it('ends at once if all nodes hold the policies', async () => {
    const cluster = new FakeCluster();
    cluster.catchUp(...names);
    equal((await cluster.wait()).isProven, true);
    deepEqual([cluster.now, cluster.lists, cluster.rounds], [0, 1, [names]]);
  });

  it('asks again only nodes that lag, and all of them at the end', async () => {
    const cluster = new FakeCluster();
    cluster.catchUp('n1');
    cluster.happen = (round) => {
      if (round === 2) cluster.catchUp('n2');
      if (round === 3) cluster.catchUp('n3');
    };
    equal((await cluster.wait()).isProven, true);
    deepEqual(cluster.rounds, [names, ['n2', 'n3'], ['n3'], names]);
    deepEqual(cluster.told, [
      '0 of 1 policies are enforced; node n2: its kernel holds generation 1, not 2; node n3: its kernel holds generation 1, not 2',
      '0 of 1 policies are enforced; node n3: its kernel holds generation 1, not 2',
    ]);
    // 1 s and 2 s; no pause before the last round.
    equal(cluster.now, 3000);
  });

  it('goes on if a node no longer holds them in the last round', async () => {
    const cluster = new FakeCluster();
    cluster.catchUp('n1', 'n2');
    const { ready } = cluster.agents.get('n1')!;
    cluster.happen = (round) => {
      if (round === 2) cluster.catchUp('n3');
      ready.report('rules', round === 3 ? 'drift' : undefined);
    };
    equal((await cluster.wait()).isProven, true);
    deepEqual(cluster.rounds, [names, ['n3'], names, ['n1'], names]);
  });

  it('waits for the policy as it is at the end, and for pods that come meanwhile', async () => {
    const cluster = new FakeCluster();
    cluster.happen = (round) => {
      if (round === 2) cluster.objects = [...base, webPolicy(3), pod('x/late', { node: 'n1', ips: ['10.1.0.2'] })];
      if (round === 3) cluster.catchUp('n2', 'n3');
      if (round === 4) cluster.catchUp('n1');
    };
    const { isProven, proofs } = await cluster.wait();
    deepEqual([isProven, proofs[0]!.generation, proofs[0]!.pods], [true, 3, 4]);
  });

  it('waits until the API server has the version of the manifest', async () => {
    const cluster = new FakeCluster();
    const given = new Map([['x/web', policy('x/web', { podSelector: {}, ingress: [{}] })]]);
    cluster.catchUp(...names);
    cluster.happen = (round) => {
      if (round !== 3) return;
      cluster.objects = [...base, { ...webPolicy(3), spec: { podSelector: {}, ingress: [{}] } }];
      cluster.catchUp(...names);
    };
    const { isProven, proofs } = await cluster.wait({ kind: 'ids', ids: ['x/web'], given });
    deepEqual([isProven, proofs[0]!.generation, cluster.lists], [true, 3, 4]);
  });

  it('ends when the time is over, with the nodes that lag', async () => {
    const cluster = new FakeCluster();
    cluster.catchUp('n1', 'n3');
    const { isProven, proofs } = await cluster.wait(undefined, 20_000);
    deepEqual([isProven, cluster.now], [false, 20_000]);
    deepEqual(
      proofs[0]!.lagging.map((each) => each.node),
      ['n2'],
    );
    // Pauses of 1, 2, 4, 8 and 5 s.
    deepEqual(cluster.rounds, [names, ...Array.from({ length: 5 }, () => ['n2'])]);
  });

  it('goes on when a later list fails, and proves nothing by what it read before', async () => {
    const cluster = new FakeCluster();
    cluster.catchUp('n1', 'n2');
    cluster.happen = (round) => {
      if (round === 2) cluster.catchUp('n3');
      if (round > 2 && round < 5) throw new Error('the API server is away');
    };
    equal((await cluster.wait()).isProven, true);
    equal(cluster.told.at(-1), 'the API server is away');
    const broken = new FakeCluster();
    broken.catchUp('n1', 'n2');
    broken.happen = (round) => {
      if (round === 2) broken.catchUp('n3');
      if (round > 2) throw new Error('the API server is away');
    };
    const { isProven, failure } = await broken.wait();
    deepEqual([isProven, failure], [false, 'the API server is away']);
  });

  it('fails at once for a cluster that cannot be read, an unknown policy, and an empty namespace', async () => {
    const cluster = new FakeCluster();
    cluster.happen = () => {
      throw new Error('no rights');
    };
    await rejects(cluster.wait(), /no rights/);
    cluster.happen = () => {};
    await rejects(cluster.wait({ kind: 'ids', ids: ['x/wbe'] }), /the API server has no policy x\/wbe/);
    await rejects(cluster.wait({ kind: 'ids', ids: ['/x'] }), /the API server has no policy clusternetworkpolicy\/x/);
    await rejects(cluster.wait({ kind: 'namespace', namespace: 'y' }), /namespace y has no NetworkPolicy/);
    // Also if it is deleted meanwhile.
    cluster.happen = (round) => {
      if (round > 6) cluster.objects = base;
    };
    await rejects(cluster.wait(), /the API server has no policy x\/web/);
    match(cluster.told[0]!, /; and 1 more node$/);
  });
});
