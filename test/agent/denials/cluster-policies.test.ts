import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { PodDenials } from '../../../src/agent/denials/denial-tally.ts';
import { DenialWatch } from '../../../src/agent/denials/denial-watch.ts';
import type { DescribedDenial, Knowledge } from '../../../src/agent/denials/describe-denial.ts';
import type { DenialLook } from '../../../src/agent/denials/denial-reader.ts';
import type { RecordedDenial } from '../../../src/compile/denials.ts';
import { withoutAllows } from '../../../src/model/order.ts';
import type { Policy } from '../../../src/model/policy.ts';
import { clusterPolicy, namespace, node, pod, policy } from '../../support/objects.ts';
import { startPipeline, type ApiObject } from '../../support/pipeline.ts';
import { knowledgeOf } from './attribution.ts';

const { signal } = new AbortController();
const all = { namespaces: {} };
const cluster = [
  node('n1', '192.0.2.1'),
  ...['x', 'y'].map((name) => namespace(name, { team: name })),
  pod('x/a', { ips: ['10.1.0.1'], ports: [{ name: 'web', containerPort: 80 }] }),
  pod('y/b', { node: 'n2', ips: ['10.1.0.2'] }),
];
const isolated = policy('x/own', { podSelector: {}, ingress: [{ ports: [{ port: 443 }] }] });

const toPod = (more: Partial<RecordedDenial> = {}): RecordedDenial => ({
  ...{ direction: 'ingress', family: 'ipv4', source: '10.1.0.2', destination: '10.1.0.1', protocol: 'tcp', port: 80 },
  ...{ packets: 1, secondsAgo: 0 },
  ...more,
});

interface Told {
  readonly log: readonly DescribedDenial[];
  readonly announced: readonly PodDenials[];
  readonly attributed: readonly string[];
  /** Policies whose texts the watch wanted. */
  readonly read: readonly string[];
}

/** What the agent tells of these denials. The API server has the texts of NetworkPolicies. */
async function tell(
  policies: readonly ApiObject[],
  denials: readonly RecordedDenial[],
  inForce: (policy: Policy) => Policy = (policy) => policy,
  leftOut: Knowledge['leftOut'] = new Map(),
  { hasTexts = true, limitedNames = new Map() as Knowledge['limitedNames'] } = {},
): Promise<Told> {
  const told = { log: [] as DescribedDenial[], announced: [] as PodDenials[], attributed: [] as string[], read: [''] };
  const pipeline = startPipeline('n1', [...cluster, ...policies]);
  const known = knowledgeOf(pipeline);
  const here = new Map(Array.from(known.policies, ([id, each]) => [id, inForce(each)]));
  let looks: readonly DenialLook[] = [];
  const watch = new DenialWatch({
    read: async () => looks,
    knowledge: () => ({ ...known, policies: here, leftOut, limitedNames }),
    async texts(ids) {
      told.read.push(...ids);
      if (!hasTexts) return undefined;
      return policies.filter(
        ({ kind, metadata }) => kind === 'NetworkPolicy' && ids.includes(`${metadata.namespace}/${metadata.name}`),
      );
    },
    metrics: { counted() {}, unlogged() {} },
    listener: {
      wants: () => true,
      log: (denial) => told.log.push(denial),
      announce: (each) => told.announced.push(each),
    },
    audited() {},
    lookedAtAudits() {},
    found: () => {},
    attributed: (ids, connections) => told.attributed.push(`${connections} ${ids.join(' ')}`),
    now: () => 0,
  });
  await watch.look(signal);
  looks = denials.map((each) => ({
    ...{ verdict: 'denied' as const, direction: each.direction, family: each.family, denied: 1, noted: 1, at: 0 },
    denials: [each],
  }));
  await watch.look(signal);
  return { ...told, read: told.read.slice(1) };
}

const first = async (...args: Parameters<typeof tell>): Promise<DescribedDenial> => (await tell(...args)).log[0]!;

describe('denials by ClusterNetworkPolicies, as the agent describes them', () => {
  it('names tier, policy and rule of an Admin Deny, and asks the API server for nothing', async () => {
    const guard = clusterPolicy('guard', {
      ingress: [
        { action: 'Accept', from: [{ namespaces: { matchLabels: { team: 'z' } } }] },
        { name: 'no-tenants', action: 'Deny', from: [{ namespaces: { matchLabels: { team: 'y' } } }] },
      ],
    });
    const { log, attributed, read } = await tell([guard, isolated], [toPod()]);
    assert.partialDeepStrictEqual(log[0], {
      from: 'y/b',
      to: 'x/a',
      deniedBy: {
        tier: 'Admin',
        policy: 'ClusterNetworkPolicy guard',
        priority: 10,
        rule: 1,
        name: 'no-tenants',
        path: 'spec.ingress[1]',
      },
      policies: ['ClusterNetworkPolicy guard'],
      reason: 'rule 2 "no-tenants" of ClusterNetworkPolicy guard (Admin tier, priority 10) denies this',
      nearMisses: [],
    });
    assert.deepEqual([attributed, read], [['1 /guard'], []]);
  });

  it('names a rule without a name by its number, at egress, by networks', async () => {
    const metadata = clusterPolicy('metadata', {
      egress: [{ action: 'Deny', to: [{ networks: ['169.254.169.254/32'] }] }],
    });
    const denial = toPod({ direction: 'egress', source: '10.1.0.1', destination: '169.254.169.254' });
    const { deniedBy, reason } = await first([metadata], [denial]);
    assert.deepEqual(deniedBy, {
      tier: 'Admin',
      policy: 'ClusterNetworkPolicy metadata',
      priority: 10,
      rule: 0,
      path: 'spec.egress[0]',
    });
    assert.equal(reason, 'rule 1 of ClusterNetworkPolicy metadata (Admin tier, priority 10) denies this');
  });

  it('names a Baseline Deny where no NetworkPolicy isolates, and NetworkPolicies where one does', async () => {
    const base = clusterPolicy('base', { tier: 'Baseline', ingress: [{ action: 'Deny', from: [all] }] });
    assert.equal((await first([base], [toPod()])).deniedBy?.tier, 'Baseline');
    const { log, attributed } = await tell([base, isolated], [toPod()]);
    assert.deepEqual([log[0]!.deniedBy, log[0]!.policies], [{ tier: 'NetworkPolicy' }, ['x/own']]);
    assert.match(log[0]!.nearMisses[0]!.reason, /the port is 80, not 443/);
    assert.deepEqual(attributed, ['1 x/own']);
  });

  it('says after which Pass NetworkPolicies denied', async () => {
    const rules = [
      { action: 'Pass', from: [all] },
      { action: 'Deny', from: [all] },
    ];
    const { deniedBy, reason } = await first([clusterPolicy('guard', { ingress: rules }), isolated], [toPod()]);
    assert.deepEqual(deniedBy, { tier: 'NetworkPolicy' });
    assert.match(
      reason,
      /isolated for ingress by x\/own, .*, after rule 1 of ClusterNetworkPolicy guard .* passed it on$/,
    );
  });

  it('names the rule for a port name, and not where the pod gives it another number', async () => {
    const named = [{ action: 'Deny', from: [all], protocols: [{ destinationNamedPort: 'web' }] }];
    const policies = [clusterPolicy('guard', { ingress: named }), isolated];
    const { log } = await tell(policies, [toPod(), toPod({ port: 81, source: '10.1.0.3' })]);
    assert.deepEqual(
      log.map(({ deniedBy }) => deniedBy?.tier),
      ['Admin', 'NetworkPolicy'],
    );
  });

  it('names the rule that denies a pod its own Service (S10.18)', async () => {
    const guard = clusterPolicy('guard', { ingress: [{ action: 'Deny', from: [all] }] });
    const { deniedBy } = await first([guard, isolated], [toPod({ source: '10.1.0.1' })]);
    assert.equal(deniedBy?.policy, 'ClusterNetworkPolicy guard');
  });

  it('says that a rule cannot be read, and so denies everything (S10.20)', async () => {
    const guard = clusterPolicy('guard', { ingress: [{ action: 'Pass', from: [{ magic: {} }] }] });
    const { reason } = await first([guard], [toPod()]);
    assert.match(
      reason,
      /^rule 1 of ClusterNetworkPolicy guard .* cannot be read as a whole, so it denies everything$/,
    );
  });

  it('says that a policy which is left out denies everything (S10.23)', async () => {
    const guard = clusterPolicy('guard', {
      ingress: [
        { action: 'Accept', from: [all] },
        { action: 'Deny', from: [all] },
      ],
    });
    const { log } = await tell([guard], [toPod()], withoutAllows);
    assert.match(
      log[0]!.reason,
      /^ClusterNetworkPolicy guard \(Admin .* denies everything in this direction: node n1 leaves out .* because they cost the node too much$/,
    );
    assert.deepEqual(log[0]!.deniedBy, { tier: 'Admin', policy: 'ClusterNetworkPolicy guard', priority: 10 });
  });

  it('names a policy whose rules the kernel refused, in its place in the order (S9.10)', async () => {
    const ingress = [
      { action: 'Accept', from: [all] },
      { action: 'Deny', from: [all], protocols: [{ tcp: { destinationPort: { number: 1 } } }] },
    ];
    const refused = clusterPolicy('guard', { ingress });
    const later = clusterPolicy('later', { priority: 20, ingress: [{ action: 'Deny', from: [all] }] });
    const leftOut = new Map([['/guard', 'refused-by-kernel'] as const]);
    const { log, attributed } = await tell([refused, later, isolated], [toPod()], undefined, leftOut);
    assert.match(
      log[0]!.reason,
      /^ClusterNetworkPolicy guard \(Admin .*: node n1 leaves out the rules of this policy, because the kernel refuses them$/,
    );
    assert.deepEqual(
      [log[0]!.deniedBy, attributed],
      [{ tier: 'Admin', policy: 'ClusterNetworkPolicy guard', priority: 10 }, ['1 /guard']],
    );
    // As long as the kernel holds them, the first rule accepts.
    const held = await tell([refused, later, isolated], [toPod()]);
    assert.match(held.log[0]!.reason, /a rule accepts it now/);
  });

  it('names a NetworkPolicy whose rules the node leaves out, and no rule of it as if it were in force (S9.10)', async () => {
    const web = policy('x/web', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] });
    const leftOut = new Map([['x/web', 'too-large'] as const]);
    const { log, announced } = await tell([isolated, web], [toPod()], undefined, leftOut);
    const why = 'node n1 leaves out the rules of this policy, because they cost the node too much';
    assert.deepEqual(
      [log[0]!.reason, log[0]!.nearMisses[0]],
      [
        'x/a is isolated for ingress by x/own, x/web, and no rule allows this',
        { policy: 'x/web', rule: 0, path: 'spec', reason: `rule 1 of policy x/web would allow, but ${why}` },
      ],
    );
    assert.equal(announced[0]!.last.nearMisses[0]!.policy, 'x/web');
    // Without the texts of the policies, too.
    const more = new Map([...leftOut, ['x/own', 'refused-by-kernel'] as const]);
    const { log: untexted } = await tell([isolated, web], [toPod()], undefined, more, { hasTexts: false });
    assert.equal(
      untexted[0]!.reason,
      `x/a was isolated for ingress by x/own, x/web, and no rule allows this; x/own: ${why.replace('they cost the node too much', 'the kernel refuses them')} (and 1 more policy)`,
    );
  });

  it('says that the node does not know all numbers of a port name, and to users no name of the policy (S10.17)', async () => {
    const guard = clusterPolicy('guard', {
      ingress: [{ action: 'Deny', from: [all], protocols: [{ destinationNamedPort: 'web' }] }],
    });
    const limitedNames = new Map([['/guard', ['ingress'] as const]]);
    const denial = toPod({ port: 81 });
    const { log, announced } = await tell([guard], [denial], undefined, undefined, { limitedNames });
    const end = 'so it may deny more than they say';
    assert.equal(
      log[0]!.reason,
      `x/a was denied ingress, but no policy isolates it any more; node n1 does not know all numbers of port names of ClusterNetworkPolicy guard, ${end}`,
    );
    assert.match(announced[0]!.last.reason, new RegExp(`port names of ClusterNetworkPolicies, ${end}$`));
  });

  it('says where a rule accepts by now what was denied', async () => {
    const guard = clusterPolicy('guard', {
      ingress: [
        { action: 'Accept', from: [all] },
        { action: 'Deny', from: [all] },
      ],
    });
    const { log, attributed } = await tell([guard], [toPod()]);
    assert.deepEqual(
      [log[0]!.reason, log[0]!.deniedBy, attributed],
      ['x/a was denied ingress, but a rule accepts it now', undefined, ['1 ']],
    );
  });

  it('names the policies that deny an address which two pods claim', async () => {
    const guard = clusterPolicy('guard', {
      ingress: [{ action: 'Deny', from: [{ namespaces: { matchLabels: { team: 'z' } } }] }],
    });
    const { log, attributed } = await tell([guard, pod('x/twin', { ips: ['10.1.0.1'] })], [toPod()]);
    assert.match(log[0]!.reason, /x\/a and x\/twin claim 10\.1\.0\.1, and ClusterNetworkPolicy guard can deny/);
    assert.deepEqual([attributed, log[0]!.deniedBy], [['1 /guard'], undefined]);
  });

  it('says why a rule denies an unplaced address, and holds back pods of unknown namespaces', async () => {
    const guard = clusterPolicy('guard', {
      ingress: [{ action: 'Pass', from: [{ namespaces: { matchLabels: { team: 'z' } } }] }],
    });
    const twins = ['y/one', 'y/two'].map((name) => pod(name, { node: 'n2', ips: ['10.1.0.9'] }));
    const lost = [pod('lost/c', { node: 'n2', ips: ['10.1.0.8'] }), pod('lost/here', { ips: ['10.1.0.7'] })];
    const ends = [{ source: '10.1.0.9' }, { source: '10.1.0.8' }, { source: '10.1.0.2', destination: '10.1.0.7' }];
    const { log } = await tell([guard, ...twins, ...lost], ends.map(toPod));
    const rule = 'rule 1 of ClusterNetworkPolicy guard (Admin tier, priority 10)';
    assert.deepEqual(
      log.map(({ reason }) => reason),
      [
        `${rule} selects pods, and several pods claim 10.1.0.9, so it denies this`,
        `${rule} selects pods, and namespace lost of lost/c is not known, so it denies this`,
        'namespace lost is not known, so Postern cannot tell which ClusterNetworkPolicies select lost/here',
      ],
    );
  });

  it('tells users of the namespace the tier, and no name of the policy or its rule (S9.14)', async () => {
    const rules = [{ name: 'hidden', action: 'Deny', from: [all] }];
    for (const [tier, remedy] of [
      ['Admin', 'no NetworkPolicy can allow it'],
      ['Baseline', 'a NetworkPolicy that allows it comes first'],
    ]) {
      const { announced } = await tell([clusterPolicy('secret', { tier, ingress: rules })], [toPod()]);
      assert.equal(announced[0]!.last.reason, `a ClusterNetworkPolicy of the ${tier} tier denies this, and ${remedy}`);
      assert.doesNotMatch(JSON.stringify(announced), /secret|hidden|y\/b/);
    }
  });

  it('finds the rule among 1,000 policies that select the pod', async () => {
    const others = Array.from({ length: 1000 }, (_, index) =>
      clusterPolicy(`c${index}`, {
        priority: index % 900,
        ingress: Array.from({ length: 10 }, () => ({
          action: 'Deny',
          from: [{ namespaces: { matchLabels: { team: `none-${index}` } } }],
        })),
      }),
    );
    const last = clusterPolicy('last', { priority: 1000, ingress: [{ action: 'Deny', from: [all] }] });
    const { log, attributed } = await tell([...others, last], [toPod()]);
    assert.equal(log[0]!.deniedBy?.policy, 'ClusterNetworkPolicy last');
    assert.deepEqual(attributed, ['1 /last']);
  });

  it('gives up on one with more peers than its budget, and says so', async () => {
    const networks = Array.from({ length: 25 }, (_, index) => `10.${index + 2}.0.0/24`);
    const rules = Array.from({ length: 25 }, () => ({
      action: 'Deny',
      to: Array.from({ length: 25 }, () => ({ networks })),
    }));
    const huge = Array.from({ length: 20 }, (_, index) => clusterPolicy(`c${index}`, { egress: rules }));
    const last = clusterPolicy('last', { priority: 1000, egress: [{ action: 'Deny', to: [all] }] });
    const denial = toPod({ direction: 'egress', source: '10.1.0.1', destination: '10.1.0.2' });
    const { log } = await tell([...huge, last], [denial]);
    assert.match(log[0]!.reason, /too many rules .* postern denials names the one/);
    assert.deepEqual([log[0]!.policies.length, log[0]!.morePolicies], [10, 11]);
  });
});
