import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { comingAddresses } from '../../src/compile/coming-addresses.ts';
import type { Link, NodeFact } from '../../src/model/cluster.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import type { PipelineOptions } from '../../src/pipeline.ts';
import { pod, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';

const own: Link = { device: 'veth-1' };
const other: Link = { device: 'veth-2' };
const bridged = (port: string): Link => ({ device: 'cni0', port });

/** What the node should hold with these pods, each with its link, where it is known. */
function ruleset(
  pods: Readonly<Record<string, Link | undefined>>,
  options: PipelineOptions = {},
  facts: readonly NodeFact[] = [],
): Ruleset {
  const number = (name: string): number => name.charCodeAt(0) - 96;
  const ipsOf = (name: string): string[] => [`10.1.0.${number(name)}`, `fd01::${number(name)}`];
  const names = Object.keys(pods);
  const objects = names.map((name) => pod(`x/${name}`, { ips: ipsOf(name) }));
  const pipeline = startPipeline('n1', objects, options);
  for (const name of names) {
    const link = pods[name];
    const fact: NodeFact = sandbox(`x/${name}`, { ips: ipsOf(name), ...(link && { link }) });
    pipeline.receive(fact);
  }
  for (const fact of facts) pipeline.receive(fact);
  return pipeline.plan(undefined).compiled.ruleset;
}

/** The same while the connections of earlier pods are not deleted. */
function deniedFor(pods: Readonly<Record<string, Link | undefined>>): Ruleset {
  return ruleset(pods, {}, [{ op: 'unflushed', addresses: ['10.1.0.1', 'fd01::1', '10.1.0.2', 'fd01::2'] }]);
}

describe('addresses that come', () => {
  const cases: readonly (readonly [what: string, held: Ruleset, wanted: Ruleset, coming: readonly string[]])[] = [
    ['none where all stays', ruleset({ a: own }), ruleset({ a: own }), []],
    ['none where one goes', ruleset({ a: own, b: other }), ruleset({ a: own }), []],
    ['those of a new pod', ruleset({ a: own }), ruleset({ a: own, b: other }), ['10.1.0.2', 'fd01::2']],
    [
      'those of a new pod without a device',
      ruleset({ a: own }),
      ruleset({ a: own, b: undefined }),
      ['10.1.0.2', 'fd01::2'],
    ],
    ['those of the first pod', ruleset({}), ruleset({ a: own }), ['10.1.0.1', 'fd01::1']],
    ['those that have another device', ruleset({ a: own }), ruleset({ a: other }), ['10.1.0.1', 'fd01::1']],
    [
      'those that have another port of the same bridge',
      ruleset({ a: bridged('veth-1') }),
      ruleset({ a: bridged('veth-2') }),
      ['10.1.0.1', 'fd01::1'],
    ],
    ['none where there was no table', {}, ruleset({ a: own }), []],
    ['none where the guard is new', ruleset({ a: own }, { guard: false }), ruleset({ a: own }), []],
    ['those that are denied no longer', deniedFor({ a: own, b: other }), ruleset({ a: own }), ['10.1.0.1', 'fd01::1']],
    [
      'those that stay denied',
      deniedFor({ a: own }),
      deniedFor({ a: own }),
      ['10.1.0.1', '10.1.0.2', 'fd01::1', 'fd01::2'],
    ],
    ['none where one that is denied goes', deniedFor({ a: own, b: other }), ruleset({}), []],
    ['none where a device is no longer known', ruleset({ a: own }), ruleset({ a: undefined }), []],
  ];
  for (const [what, held, wanted, coming] of cases) {
    it(`are ${what}`, () => {
      assert.deepEqual(comingAddresses(held, wanted).sort(), coming);
    });
  }
});
