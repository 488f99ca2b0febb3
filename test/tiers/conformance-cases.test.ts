import { deepEqual, ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { families } from '../../src/model/address.ts';
import { CaseCluster, readCases } from '../evaluator/cases.ts';
import type { ApiObject } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { TracedCluster } from '../support/traced-cluster.ts';
import { admin, all, anywhere, baseline, from, networks, to } from './language.ts';

const file = readCases();
const nodeNames = ['n1', 'n2'];
const nodes = nodeNames.map((name, index): ApiObject => ({
  kind: 'Node',
  metadata: { name },
  status: { addresses: [{ type: 'InternalIP', address: `172.31.0.${index + 1}` }] },
}));

/**
 * An Admin policy that passes on what it matches, and one that denies a network where nobody is; and a Baseline policy that accepts everyone, since a pod that
 * nothing isolates is open in these cases. Together they must change no answer (S10.1, S10.4, S10.19).
 */
const harmless = [
  admin({
    name: 'harmless',
    subject: all,
    ingress: [from('Pass', all), from('Deny', all)],
    egress: [to('Deny', networks('203.0.113.0/24', '2001:db8:dead::/48')), to('Pass', anywhere), to('Deny', anywhere)],
  }),
  baseline({
    name: 'harmless-default',
    subject: all,
    ingress: [from('Accept', all), from('Deny', all)],
    egress: [to('Accept', anywhere), to('Deny', all)],
  }),
] as unknown as ApiObject[];

/** Every pod on one of two nodes, as it has come: a pod keeps its node. */
function placed(objects: Iterable<unknown>, homes: Map<string, string>): ApiObject[] {
  return [...(objects as Iterable<ApiObject>)].map((object) => {
    if (object.kind !== 'Pod') return object;
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    if (!homes.has(key)) homes.set(key, nodeNames[homes.size % nodeNames.length]!);
    return { ...object, spec: { ...(object['spec'] as object), nodeName: homes.get(key) } };
  });
}

describe('the conformance cases, with ClusterNetworkPolicies that must not change them', () => {
  if (!file) {
    it('have the same answers', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  let probes = 0;
  for (const each of file.cases) {
    it(`${each.id}: ${each.description}`, () => {
      const cluster = new CaseCluster(file, each);
      const traced = new TracedCluster(nodeNames);
      const homes = new Map<string, string>();
      for (const step of each.steps) {
        for (const action of step.actions) cluster.apply(action);
        const objects = placed(cluster.objects, homes);
        traced.become([...nodes, ...objects, ...harmless]);
        const addresses = new Map(
          objects.map(({ kind, metadata, status }) => {
            const { podIPs = [] } = (status ?? {}) as { podIPs?: { ip: string }[] };
            return [kind === 'Pod' ? `${metadata.namespace}/${metadata.name}` : '', podIPs.map(({ ip }) => ip)];
          }),
        );
        const wrong: string[] = [];
        for (const family of each.ipFamily ? [`ipv${each.ipFamily}` as const] : families) {
          const addressOf = (key: string): string =>
            addresses.get(key)!.find((address) => address.includes(':') === (family === 'ipv6'))!;
          for (const [source, targets] of Object.entries(step.expected)) {
            for (const [destination, ports] of Object.entries(targets)) {
              for (const [port, expected] of Object.entries(ports)) {
                const ends = { source: addressOf(source), destination: addressOf(destination) };
                const found = traced.wrong({ ...ends, family, port }, expected ? 'allowed' : 'denied');
                wrong.push(...found.map((text) => `${family} ${source} > ${destination} ${port}: ${text}`));
                probes++;
              }
            }
          }
        }
        deepEqual(wrong, []);
      }
    });
  }

  it('contain probes', () => ok(probes > 10_000, `only ${probes} probes`));
});
