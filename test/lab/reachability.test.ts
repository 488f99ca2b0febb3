import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Patience, PodProcess, ProbeAnswer, ProbeTarget } from '../../src/lab/pod-process.ts';
import {
  explainDenials,
  look,
  observe,
  parseProbePort,
  planProbes,
  readConnection,
  runProbes,
} from '../../src/lab/reachability.ts';
import type { Station } from '../../src/lab/station.ts';
import { pod } from './objects.ts';

type Answering = (target: ProbeTarget, patience: Patience) => ProbeAnswer;

function station(
  key: string,
  addresses: string[],
  ports: string[],
  answer: Answering = () => ({ error: 'timeout' }),
): Station {
  const process = {
    probe: async (targets: ProbeTarget[], patience: Patience) => targets.map((target) => answer(target, patience)),
  } as unknown as PodProcess;
  const declared = ports.map((text) => {
    const [protocol, port] = text.split('/') as ['TCP', string];
    return { protocol, port: Number(port) };
  });
  return { key, endpoint: () => ({ pod: key }), addresses, ports: declared, process };
}

function runningPod(namespace: string, name: string, ip: string): ApiObject {
  return { ...pod(namespace, name, ['TCP/80']), status: { phase: 'Running', podIPs: [{ ip }] } };
}

const denyIngress: ApiObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'x', name: 'deny' },
  spec: { podSelector: { matchLabels: { pod: 'b' } }, policyTypes: ['Ingress'] },
};

describe('lab: reachability', () => {
  it('reads the usual notations of ports', () => {
    assert.deepEqual(['TCP/80', 'udp/53', '80', 'ICMP', 'SCTP/9'].map(parseProbePort), [
      'TCP/80',
      'UDP/53',
      'TCP/80',
      'icmp',
      'SCTP/9',
    ]);
    for (const bad of ['', 'http', 'TCP/', 'TCP/80/x', 'GRE/1', '-1', '0', 'TCP/65536']) {
      assert.throws(() => parseProbePort(bad), { code: 'input' });
    }
  });

  it('plans every pair, declared port and common family', () => {
    const both = station('x/a', ['10.0.0.1', 'fd00::1'], ['TCP/80', 'UDP/53']);
    const only4 = station('x/b', ['10.0.0.2'], ['TCP/81']);
    const plan = (ports?: string[]): string[] =>
      planProbes([both, only4], [both, only4], { ports, families: ['ipv4', 'ipv6'] }).map(
        ({ from, to, family, target }) => `${from.key} ${to.key} ${family} ${target.protocol}/${target.port}`,
      );
    assert.deepEqual(plan(), [
      'x/a x/a ipv4 TCP/80',
      'x/a x/a ipv4 UDP/53',
      'x/a x/a ipv6 TCP/80',
      'x/a x/a ipv6 UDP/53',
      'x/a x/b ipv4 TCP/81',
      'x/b x/a ipv4 TCP/80',
      'x/b x/a ipv4 UDP/53',
      'x/b x/b ipv4 TCP/81',
    ]);
    assert.deepEqual(plan(['TCP/81']), ['x/a x/b ipv4 TCP/81', 'x/b x/b ipv4 TCP/81']);
    assert.equal(plan(['icmp']).length, 5);
  });

  it('counts only an answer of the target itself as allowed', async () => {
    const identities: Record<string, ProbeAnswer> = {
      '10.0.0.2': { identity: 'x/b' },
      '10.0.0.3': { identity: 'x/b' },
      '10.0.0.4': { error: 'ECONNREFUSED' },
    };
    const from = station('x/a', ['10.0.0.1'], [], ({ address }) => identities[address]!);
    const targets = ['b', 'c', 'd'].map((name, index) => station(`x/${name}`, [`10.0.0.${index + 2}`], ['TCP/80']));
    const probes = planProbes([from], targets, { families: ['ipv4'] });
    assert.deepEqual(await observe(probes), ['allowed', 'denied', 'denied']);
  });

  it('repeats a probe after unexpected silence, with a longer timeout; accepts an unexpected answer at once', async () => {
    const asked: string[] = [];
    const slow = station('x/a', ['10.0.0.1'], [], ({ address }, { deadlineMs }) => {
      asked.push(`${address} ${deadlineMs > 1000 ? 'patient' : 'quick'}`);
      if (address === '10.0.0.2') return { identity: 'x/b' };
      return deadlineMs > 1000 ? { identity: 'x/c' } : { error: 'timeout' };
    });
    const targets = [station('x/b', ['10.0.0.2'], ['TCP/80']), station('x/c', ['10.0.0.3'], ['TCP/80'])];
    const objects = [
      runningPod('x', 'a', '10.0.0.1'),
      runningPod('x', 'b', '10.0.0.2'),
      runningPod('x', 'c', '10.0.0.3'),
    ];
    const cluster = prepareCluster([...objects, denyIngress]);
    const probes = planProbes([slow], targets, { families: ['ipv4'] });
    const verdicts = (await runProbes(cluster, probes)).map(({ to, observed, expected }) => [to, observed, expected]);
    assert.deepEqual(verdicts, [
      ['x/b', 'allowed', 'denied'],
      ['x/c', 'allowed', 'allowed'],
    ]);
    assert.deepEqual(asked, ['10.0.0.2 quick', '10.0.0.3 quick', '10.0.0.3 patient']);
    assert.deepEqual(
      explainDenials(cluster, probes).map(({ to, direction, reason }) => [to, direction, /isolated/.test(reason)]),
      [['x/b', 'ingress', true]],
    );
  });

  it('looks at connections: what came, again after unexpected silence, and nothing where silence proves nothing', async () => {
    const asked: string[] = [];
    const answers: Record<string, ProbeAnswer> = {
      'TCP/80': { identity: 'x/b' },
      'TCP/81': { identity: 'x/other' },
      'TCP/82': { error: 'ECONNREFUSED' },
      'icmp/0': { identity: '10.0.0.2' },
    };
    const from = station('x/a', ['10.0.0.1'], [], ({ protocol, port }, { deadlineMs }) => {
      asked.push(`${protocol}/${port} ${deadlineMs > 1000 ? 'patient' : 'quick'}`);
      return answers[`${protocol}/${port}`] ?? { error: 'timeout' };
    });
    const to = station('x/b', ['10.0.0.2'], ['TCP/80', 'UDP/53']);
    const stations = new Map([from, to].map((each) => [each.key, each]));
    const rows = [
      ['TCP', 80, 'allowed', 'answered'],
      ['TCP', 81, 'allowed', 'other'],
      ['TCP', 82, 'denied', 'ECONNREFUSED'],
      ['TCP', 83, 'denied', 'timeout'],
      ['UDP', 53, 'allowed', 'timeout'],
      ['UDP', 54, 'denied', 'unserved'],
      ['SCTP', 80, 'allowed', 'unserved'],
      ['icmp', 0, 'allowed', 'answered'],
    ] as const;
    const looks = rows.map(([protocol, port, expected]) =>
      readConnection({ from: 'x/a', to: 'x/b', family: 'ipv4', protocol, port, expected }, (key) => stations.get(key)!),
    );
    assert.deepEqual(
      await look(looks),
      rows.map((row) => row[3]),
    );
    assert.deepEqual(
      asked.filter((each) => each.endsWith('patient')),
      ['UDP/53 patient'],
    );
    const other = { from: 'x/a', to: 'x/b', family: 'ipv6', protocol: 'TCP', port: 80, expected: 'allowed' } as const;
    assert.throws(() => readConnection(other, (key) => stations.get(key)!), { code: 'input' });
  });
});
