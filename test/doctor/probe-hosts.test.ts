import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'mocha';
import { clusterChecks } from '../../src/doctor/cluster.ts';
import { findProbeHosts, hostFields } from '../../src/doctor/probe-hosts.ts';

type Json = Readonly<Record<string, unknown>>;

/** The container with one field, as `['livenessProbe', 'httpGet', 'host']` says. */
function containerWith(field: readonly string[], host: string): Json {
  return field.toReversed().reduce<unknown>((value, key) => ({ [key]: value }), host) as Json;
}

function podWith(containers: readonly Json[], more: { spec?: Json; status?: Json; name?: string } = {}): Json {
  const { spec = {}, status = {}, name = 'web' } = more;
  return { metadata: { namespace: 'shop', name }, spec: { containers, ...spec }, status };
}

const victim = '10.244.1.9';
const probing = containerWith(['livenessProbe', 'httpGet', 'host'], victim);

describe('hosts that probes and lifecycle hooks name', () => {
  for (const field of hostFields) {
    it(`are found in ${field.join('.')}, of containers and of init containers`, () => {
      const container = containerWith(field, victim);
      const found = findProbeHosts(podWith([{}, container], { spec: { initContainers: [container] } }));
      assert.deepEqual(
        found,
        ['spec.containers[1]', 'spec.initContainers[0]'].map((at) => {
          return { pod: 'shop/web', path: `${at}.${field.join('.')}`, host: victim };
        }),
      );
    });
  }

  for (const [what, pod, count] of [
    [
      'where there are none',
      podWith([{ livenessProbe: { httpGet: { port: 80 } }, lifecycle: { preStop: { exec: {} } } }]),
      0,
    ],
    ['of the pod itself', podWith([probing], { status: { podIPs: [{ ip: 'fd00::1' }, { ip: victim }] } }), 0],
    [
      'of the pod itself, in other words',
      podWith([containerWith(['livenessProbe', 'tcpSocket', 'host'], 'FD00:0::1')], {
        status: { podIPs: [{ ip: 'fd00::1' }] },
      }),
      0,
    ],
    ['of another pod', podWith([probing], { status: { podIPs: [{ ip: '10.244.1.8' }] } }), 1],
    ['of a pod on the host network', podWith([probing], { spec: { hostNetwork: true } }), 0],
    ['of a pod that is over', podWith([probing], { status: { phase: 'Failed' } }), 0],
    ['of a name', podWith([containerWith(['lifecycle', 'preStop', 'httpGet', 'host'], 'localhost')]), 1],
    ['of what is no pod', null as unknown as Json, 0],
  ] as const) {
    it(`${what}: ${count}`, () => assert.equal(findProbeHosts(pod).length, count));
  }

  it('are refused by the admission policy, each of them', async () => {
    const text = await readFile(new URL('../../deploy/admission/no-probe-hosts.yaml', import.meta.url), 'utf8');
    const refused = Array.from(text.matchAll(/c\.\?(.*)\.orValue\(''\) == ''/g), ([, field]) => field!.split('.?'));
    assert.deepEqual(refused, hostFields);
  });

  it('are one finding per pod, for the first fifty', () => {
    const { find } = clusterChecks.find(({ id }) => id === 'probe-host')!;
    const pods = Array.from({ length: 52 }, (_, index) => podWith([probing, probing], { name: `web-${100 + index}` }));
    const probeHosts = { value: pods.flatMap(findProbeHosts) };
    const found = find({
      version: '',
      nodes: [],
      withoutAgent: { value: [] },
      falseAgents: { value: [] },
      digests: { value: {} },
      probeHosts,
      tiers: { value: undefined },
    });
    const path = (index: number): string => `spec.containers[${index}].livenessProbe.httpGet.host is "${victim}"`;
    assert.deepEqual(found[0], {
      subject: 'pod shop/web-100',
      problem: `${path(0)}, ${path(1)}`,
      pods: ['shop/web-100'],
    });
    assert.deepEqual(
      [found.length, found[50]],
      [51, { subject: 'pods', problem: '2 more pods have such a probe or hook' }],
    );
  });
});
