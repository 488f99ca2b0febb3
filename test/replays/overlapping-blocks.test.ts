import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import { planSweep } from '../../src/plan/plan.ts';
import { pod, policy } from '../support/objects.ts';
import { compileNode, startPipeline, type ApiObject } from '../support/pipeline.ts';
import { blockStories, eventsOf, isolated, objectsAfter, questions } from './block-stories.ts';
import { assertVerdicts, judge } from './compare.ts';

const shuffles = Number(process.env['POSTERN_REPLAYS_SHUFFLES'] ?? 1000);
const stories = Number(process.env['POSTERN_REPLAYS_STORIES'] ?? 150);

describe('one network that stands twice in the policies of a pod (replay of AWS agent 9fdad23, dc11277)', function () {
  this.timeout(0);

  /** `10.161.0.0/8` is the network `10.0.0.0/8` with host bits set (S3.11). */
  const direct = [
    { cidr: '10.161.0.0/8', port: 443 },
    { cidr: '10.0.0.0/8', port: 3128 },
    { cidr: 'fd00:161::/16', port: 443 },
    { cidr: 'fd00::/16', port: 3128 },
  ].map(({ cidr, port }) => ({ to: [{ ipBlock: { cidr } }], ports: [{ port }] }));
  const withExcept = [
    { cidr: '10.161.0.0/8', except: ['10.161.7.0/16'], port: 443 },
    { cidr: '10.0.0.0/8', except: ['10.161.0.0/16'], port: 3128 },
    { cidr: 'fd00:161::/16', except: ['fd00:161:7::/32'], port: 443 },
    { cidr: 'fd00::/16', except: ['fd00:161::/32'], port: 3128 },
  ].map(({ cidr, except, port }) => ({ to: [{ ipBlock: { cidr, except } }], ports: [{ port }] }));
  const web = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'] });
  const from = { ipv4: '10.1.0.1', ipv6: 'fd01::1' };

  /** How the rules are dealt to one to three policies, and in which order the objects come. */
  const dealings = fc.record({ order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), policies: fc.nat(2) });
  const dealt = (rules: readonly object[], order: readonly number[], extra: number): ApiObject[] =>
    Array.from({ length: extra + 1 }, (_, index) =>
      policy(`x/p${index}`, {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: order.filter((_, at) => at % (extra + 1) === index).map((at) => rules[at]),
      }),
    );

  it(`opens each of its ports, in ${shuffles} orders`, () => {
    fc.assert(
      fc.property(dealings, ({ order, policies }) => {
        const objects = [web, ...dealt(direct, order, policies)];
        const n1 = compileNode('n1', objects);
        assertVerdicts(objects, { n1 }, [
          { from: from.ipv4, to: '10.161.0.9', port: 443, answer: 'allowed' },
          { from: from.ipv4, to: '10.161.0.9', port: 3128, answer: 'allowed' },
          { from: from.ipv4, to: '10.2.0.9', port: 443, answer: 'allowed' },
          { from: from.ipv4, to: '10.2.0.9', port: 444, answer: 'denied' },
          { from: from.ipv4, to: '11.0.0.1', port: 443, answer: 'denied' },
          { from: from.ipv6, to: 'fd00:2::9', port: 443, answer: 'allowed' },
          { from: from.ipv6, to: 'fd00:161::9', port: 3128, answer: 'allowed' },
          { from: from.ipv6, to: 'fd02::9', port: 443, answer: 'denied' },
        ]);
      }),
      { numRuns: shuffles },
    );
  });

  it(`has an except of its own each time, in ${shuffles} orders`, () => {
    fc.assert(
      fc.property(dealings, ({ order, policies }) => {
        const objects = [web, ...dealt(withExcept, order, policies)];
        const n1 = compileNode('n1', objects);
        assertVerdicts(objects, { n1 }, [
          { from: from.ipv4, to: '10.2.0.9', port: 443, answer: 'allowed' },
          { from: from.ipv4, to: '10.2.0.9', port: 3128, answer: 'allowed' },
          // 10.161.7.0/16 is 10.161.0.0/16.
          { from: from.ipv4, to: '10.161.0.9', port: 443, answer: 'denied' },
          { from: from.ipv4, to: '10.161.0.9', port: 3128, answer: 'denied' },
          { from: from.ipv6, to: 'fd00:161::9', port: 443, answer: 'denied' },
          { from: from.ipv6, to: 'fd00:2::9', port: 443, answer: 'allowed' },
          { from: from.ipv6, to: 'fd00:2::9', port: 3128, answer: 'allowed' },
        ]);
      }),
      { numRuns: shuffles },
    );
  });
});

describe('blocks that lie in each other, and come and go (replay of Calico #12851, #13274)', function () {
  this.timeout(0);

  it(`are judged as the evaluator does after each step of ${stories} stories, and nothing is left over`, () => {
    let [steps, nested] = [0, 0];
    const verdicts = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(blockStories, (story) => {
        const pipeline = startPipeline('n1', [isolated]);
        let applied: Ruleset | undefined;
        for (let step = 0; step <= story.length; step++) {
          const objects = objectsAfter(story, step);
          for (const event of eventsOf(story, step)) pipeline.receive(event);
          const { result, compiled } = pipeline.plan(applied);
          applied = result;
          for (const question of questions) verdicts[judge(objects, { n1: applied }, question)]++;
          assert.deepEqual(pipeline.plan(applied).stages, [], 'a change that does not end');
          assert.deepEqual(planSweep(applied).stages, []);
          assert.equal(renderRuleset(compiled.ruleset), renderRuleset(compileNode('n1', objects)));
          steps++;
        }
        nested += story.filter(({ block }) => block.endsWith('/0') || block.endsWith('/32')).length;
      }),
      { numRuns: stories },
    );
    const told = `${steps} steps, ${nested} of them with a block of /0 or /32, ${JSON.stringify(verdicts)}`;
    assert.ok(steps > stories * 5 && nested > stories / 2 && verdicts.allowed > steps && verdicts.denied > steps, told);
  });
});
