import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../src/evaluator/cluster.ts';
import { evaluate } from '../src/evaluator/evaluator.ts';
import { hostileCluster, hostileFacts } from './support/hostile-cluster.ts';
import { passes, type Place } from './support/path.ts';
import { compileNode, startPipeline } from './support/pipeline.ts';
import { routedTables } from './support/routed.ts';

describe('a hostile cluster', () => {
  const objects = hostileCluster();
  const guarded = startPipeline('n1', objects);
  for (const fact of hostileFacts()) guarded.receive(fact);
  const links = new Map(
    hostileFacts().flatMap(({ value }) => value!.addresses.map((each) => [each, value!.link!] as const)),
  );

  it('yields no issue but those of its blocks, and no policy is lost', () => {
    const pipeline = startPipeline('n1', objects);
    assert.equal(pipeline.snapshot.policies.size, objects.filter(({ kind }) => kind === 'NetworkPolicy').length);
    assert.equal(pipeline.issues.size, 0);
  });

  it('is judged by the rule set as by the evaluator', () => {
    const rulesets = { n1: guarded.plan(undefined).compiled.ruleset, n2: compileNode('n2', objects) };
    const cluster = prepareCluster(objects);
    const isolated = ['10.9.0.0', '10.9.0.1', '10.9.0.5', 'fd09::1', 'fd09::6'];
    const others = [
      '10.9.0.9',
      '10.9.1.4',
      '10.0.0.1',
      '10.1.2.3',
      '10.3.99.7',
      '127.255.255.255',
      '128.0.0.0',
      '9.9.9.9',
      '255.255.255.255',
      '0.0.0.1',
      'fd09::2b',
      '::1',
      '8000::',
      '7fff::1',
      'fe00::1',
    ];
    const verdicts = new Set<string>();
    for (const pod of isolated) {
      for (const other of others) {
        if (pod.includes(':') !== other.includes(':')) continue;
        const family = pod.includes(':') ? 'ipv6' : 'ipv4';
        for (const [source, destination] of [
          [pod, other],
          [other, pod],
        ] as const) {
          for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
            for (const destinationPort of [53, 79, 80, 90, 91, 65535]) {
              const { verdict } = evaluate(cluster, {
                source: { address: source },
                destination: { address: destination },
                protocol,
                destinationPort,
                family,
              });
              const flow = {
                family,
                source,
                destination,
                protocol: protocol.toLowerCase(),
                sourcePort: 40_000,
                destinationPort,
              } as const;
              const places = { source: placeOf(source), destination: placeOf(destination) };
              for (const orientation of ['original', 'reply'] as const) {
                const passed = passes(rulesets, flow, places, orientation, links) ? 'allowed' : 'denied';
                assert.equal(
                  passed,
                  verdict,
                  `${source} > ${destination} ${protocol}/${destinationPort} ${orientation}`,
                );
              }
              verdicts.add(`${source === pod ? 'egress' : 'ingress'} ${protocol} ${verdict}`);
            }
          }
        }
      }
    }
    // All there are: no policy allows UDP out.
    assert.equal(verdicts.size, 11, [...verdicts].sort().join());
  });

  it('guards the pods whose devices nft has a name for, and leaves the others out', () => {
    const { ruleset } = guarded.plan(undefined).compiled;
    for (const { sets } of routedTables(ruleset)) {
      assert.deepEqual([...sets.get('pod-ifs')!.elements].sort(), ['0', 'a.b:c@d_e-f', 'table']);
    }
    assert.deepEqual([...ruleset.bridge!.sets.get('bridge-ports')!.elements].sort(), ['-', 'drop', 'v'.repeat(15)]);
  });

  function placeOf(address: string): Place {
    const pod = objects.find(
      ({ kind, status }) =>
        kind === 'Pod' && (status as { podIPs: { ip: string }[] }).podIPs.some(({ ip }) => ip === address),
    );
    if (!pod) return { pod: false, node: undefined };
    return { pod: true, node: (pod['spec'] as { nodeName: string }).nodeName };
  }
});
