import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { trace } from '../../src/nftables/trace.ts';
import { planStages, planSweep, type Plan } from '../../src/plan/plan.ts';
import { checkPacket, generationsOf, gracedIn } from '../support/every-moment.ts';
import { clusterPolicy, namespace, pod, policy } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';

/** ClusterNetworkPolicies accept group a, and deny all others that NetworkPolicies allow. A pod of role one is allowed group b, one of role two nobody that is there. */
function stateOf(group: string, role: string): Ruleset {
  const peers = (label: string) => ({ podSelector: { matchLabels: { group: label } } });
  const allow = (of: string, label: string) =>
    policy(`x/${of}`, { podSelector: { matchLabels: { role: of } }, ingress: [{ from: [peers(label)] }] });
  const guard = clusterPolicy('guard', {
    ingress: [
      { action: 'Accept', from: [{ pods: { ...peers('a'), namespaceSelector: {} } }] },
      { action: 'Deny', from: [{ namespaces: {} }] },
    ],
  });
  const locals = [role, 'one', 'two'].map((of, index) =>
    pod(`x/local-${index}`, { ips: [`10.1.0.${index + 2}`], labels: { role: of } }),
  );
  const remotes = [group, 'a', 'b', 'c'].map((label, index) =>
    pod(`x/remote-${index}`, { node: 'n2', ips: [`10.1.0.${index + 9}`], labels: { group: label } }),
  );
  const objects = [namespace('x'), guard, allow('one', 'b'), allow('two', 'c'), ...locals, ...remotes];
  return startPipeline('n1', objects, { podCidrs: ['192.0.2.0/32'] }).plan(undefined).compiled.ruleset;
}

const packet: Packet = {
  ...{ hook: 'forward', family: 'ipv4', protocol: 'tcp', ctState: 'established', direction: 'original' },
  ...{ source: '10.1.0.9', destination: '10.1.0.2', sourcePort: 40_000, destinationPort: 80 },
};

const namesOf = ({ stages }: Plan) => stages.map(({ name }) => name);
const verdictsOf = (generations: readonly Ruleset[]) => generations.map(({ ip }) => trace(ip!, packet).verdict);

describe('planStages: after a change that was interrupted', () => {
  const before = generationsOf({}, planStages(stateOf('a', 'one'))).at(-1)!;
  const cut = planStages(stateOf('b', 'one'), before);
  const stages = cut.stages.filter(({ name }) => name === 'make' || name === 'switch');
  const crashed = generationsOf(before, { ...cut, stages }).at(-1)!;
  const held = generationsOf(crashed, planSweep(crashed)).at(-1)!;
  const next = stateOf('b', 'two');

  it('first ends what ClusterNetworkPolicies accept no more, so that a pod that moves is not passed it', () => {
    const plan = planStages(next, held, { isInterrupted: true });
    const generations = generationsOf(held, plan);
    assert.equal(namesOf(plan)[0], 'clear');
    assert.deepEqual(new Set(verdictsOf(generations)), new Set(['drop']));
    const tables = generations.map(({ ip }) => ip!);
    assert.equal(checkPacket(packet, tables, { graced: gracedIn(plan) }), false);
  });

  it('would pass it otherwise', () => {
    const verdicts = verdictsOf(generationsOf(held, planStages(next, held)));
    assert.deepEqual([verdicts[0], verdicts.includes('accept'), verdicts.at(-1)], ['drop', true, 'drop']);
  });

  it('costs no transaction more where the change before came to its end, or has left nothing', () => {
    assert.ok(!namesOf(planStages(stateOf('b', 'two'), before)).includes('clear'));
    const ended = generationsOf(before, cut).at(-1)!;
    assert.ok(!namesOf(planStages(next, ended, { isInterrupted: true })).includes('clear'));
  });
});
