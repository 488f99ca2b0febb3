import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { JsonObject, ObjectMeta } from '../../../../src/lab/api/object.ts';
import { Store } from '../../../../src/lab/api/store.ts';
import { podObject } from '../objects.ts';
import { refusalOf } from '../refusal.ts';

function refuse(spec: JsonObject, metadata: ObjectMeta = {}): string[] {
  const refusal = refusalOf(() => new Store().create('pods', podObject('a', metadata, spec)));
  assert.equal(refusal.reason, 'Invalid');
  return refusal.details!.causes!.map(({ field, message }) => `${field}: ${message}`);
}

const withPorts = (...ports: JsonObject[]): JsonObject => ({ containers: [{ name: 'main', image: 'x', ports }] });

describe('a pod', () => {
  const at = 'spec.containers[0]';
  const refusals: [JsonObject, ...string[]][] = [
    [{ containers: [] }, 'spec.containers: Required value'],
    [{ containers: [{}] }, `${at}.name: Required value`, `${at}.image: Required value`],
    [
      { containers: [{ name: 'a', image: 'x' }], initContainers: [{ name: 'a', image: 'x' }] },
      'spec.initContainers[0].name: Duplicate value: "a"',
    ],
    [withPorts({}), `${at}.ports[0].containerPort: Required value`],
    [
      withPorts({ containerPort: 65536 }),
      `${at}.ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive`,
    ],
    [
      withPorts({ containerPort: 80, protocol: 'udp' }),
      `${at}.ports[0].protocol: Unsupported value: "udp": supported values: "SCTP", "TCP", "UDP"`,
    ],
    [
      withPorts({ containerPort: 80, name: 'a-sixteen-letter' }),
      `${at}.ports[0].name: Invalid value: "a-sixteen-letter": must be no more than 15 bytes`,
    ],
    [
      withPorts({ containerPort: 80, name: 'web' }, { containerPort: 81, name: 'web' }),
      `${at}.ports[1].name: Duplicate value: "web"`,
    ],
    [
      { restartPolicy: 'Sometimes' },
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
  ];
  for (const [spec, ...expected] of refusals) {
    it(`is refused: ${expected[0]}`, () => assert.deepEqual(refuse(spec), expected));
  }

  it('gets host ports with the host network, and must not map them elsewhere', () => {
    const pod = new Store().create(
      'pods',
      podObject('a', {}, { hostNetwork: true, ...withPorts({ containerPort: 80 }) }),
    );
    const [container] = (pod.spec as JsonObject).containers as [JsonObject];
    assert.deepEqual(container.ports, [{ containerPort: 80, protocol: 'TCP', hostPort: 80 }]);
    assert.deepEqual(refuse({ hostNetwork: true, ...withPorts({ containerPort: 80, hostPort: 81 }) }), [
      `${at}.ports[0].hostPort: Invalid value: 81: must match \`containerPort\` when \`hostNetwork\` is true`,
    ]);
  });

  it('must have a DNS name, and valid labels and annotations', () => {
    assert.match(
      refuse({}, { name: 'A' })[0]!,
      /^metadata\.name: Invalid value: "A": a lowercase RFC 1123 subdomain must/,
    );
    assert.deepEqual(refuse({}, { name: 'a'.repeat(254) }), [
      `metadata.name: Invalid value: "${'a'.repeat(254)}": must be no more than 253 bytes`,
    ]);
    assert.match(
      refuse({}, { labels: { a: '-b' } })[0]!,
      /^metadata\.labels: Invalid value: "-b": a valid label must be/,
    );
    assert.match(refuse({}, { labels: { 'a b': '' } })[0]!, /^metadata\.labels: Invalid value: "a b": name part must/);
    assert.match(refuse({}, { labels: { ['k'.repeat(64)]: 'v' } })[0]!, /name part must be no more than 63 bytes$/);
    assert.match(
      refuse({}, { annotations: { '/a': '' } })[0]!,
      /^metadata\.annotations: .*prefix part must be non-empty$/,
    );
  });
});

describe('workloads', () => {
  const deployment = (template: JsonObject) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } }, template },
  });
  const { spec } = podObject('a');

  it('must select their own pods, whose template is checked like a pod', () => {
    const other = deployment({ metadata: { labels: { app: 'db' } }, spec: withPorts({ containerPort: 0 }) });
    const refusal = refusalOf(() => new Store().create('deployments', other));
    assert.deepEqual(
      refusal.details!.causes!.map(({ field, message }) => `${field}: ${message}`),
      [
        'spec.template.metadata.labels: Invalid value: {"app":"db"}: `selector` does not match template `labels`',
        'spec.template.spec.containers[0].ports[0].containerPort: Required value',
      ],
    );
    const created = new Store().create('deployments', deployment({ metadata: { labels: { app: 'web' } }, spec }));
    assert.deepEqual([(created.spec as JsonObject).replicas, created.metadata.generation], [1, 1]);
  });

  it('that are jobs must say what happens to failed pods', () => {
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'j', namespace: 'default' },
      spec: { template: { spec } },
    };
    assert.match(refusalOf(() => new Store().create('jobs', job)).message!, /restartPolicy: Required value/);
  });
});
