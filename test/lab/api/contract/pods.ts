import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { JsonObject, ObjectMeta } from '../../../../src/lab/api/object.ts';
import type { Reply } from '../api-caller.ts';
import { podObject } from '../objects.ts';
import type { TestedServer } from './tested-server.ts';

const withPorts = (...ports: JsonObject[]): JsonObject => ({ containers: [{ name: 'main', image: 'x', ports }] });

/** Defaults and refusals of pods and workloads. */
export function describePods(server: () => TestedServer): void {
  const create = (path: string, body: object): Promise<Reply> =>
    server().api.call(`${path}?dryRun=All`, { method: 'POST', body });
  const createPod = (spec: JsonObject, metadata: ObjectMeta = {}): Promise<Reply> =>
    create('/api/v1/namespaces/default/pods', podObject('a', metadata, spec));

  async function refuse(spec: JsonObject, metadata?: ObjectMeta): Promise<string[]> {
    return causes(await createPod(spec, metadata));
  }

  function causes({ body }: Reply): string[] {
    assert.equal(body.reason, 'Invalid');
    return body.details.causes.map((each: { field: string; message: string }) => `${each.field}: ${each.message}`);
  }

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
        `${at}.ports[0].name: Invalid value: "a-sixteen-letter": must be no more than 15 characters`,
      ],
      [
        withPorts({ containerPort: 80, name: 'web' }, { containerPort: 81, name: 'web' }),
        `${at}.ports[1].name: Duplicate value: "web"`,
      ],
      [
        { restartPolicy: 'Sometimes' },
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
      ],
    ];
    for (const [spec, ...expected] of refusals) {
      it(`is refused: ${expected[0]}`, async () => assert.deepEqual(await refuse(spec), expected));
    }

    it('gets host ports with the host network, and must not map them elsewhere', async () => {
      const { body } = await createPod({ hostNetwork: true, ...withPorts({ containerPort: 80 }) });
      assert.deepEqual(body.spec.containers[0].ports, [{ containerPort: 80, protocol: 'TCP', hostPort: 80 }]);
      assert.deepEqual(await refuse({ hostNetwork: true, ...withPorts({ containerPort: 80, hostPort: 81 }) }), [
        `${at}.ports[0].hostPort: Invalid value: 81: must match \`containerPort\` when \`hostNetwork\` is true`,
      ]);
    });

    it('must have a DNS name, and valid labels and annotations', async () => {
      assert.match(
        (await refuse({}, { name: 'A' }))[0]!,
        /^metadata\.name: Invalid value: "A": a lowercase RFC 1123 subdomain must/,
      );
      assert.deepEqual(await refuse({}, { name: 'a'.repeat(254) }), [
        `metadata.name: Invalid value: "${'a'.repeat(254)}": must be no more than 253 characters`,
      ]);
      assert.match(
        (await refuse({}, { labels: { a: '-b' } }))[0]!,
        /^metadata\.labels: Invalid value: "-b": a valid label must be/,
      );
      assert.match(
        (await refuse({}, { labels: { 'a b': '' } }))[0]!,
        /^metadata\.labels: Invalid value: "a b": name part must/,
      );
      assert.match(
        (await refuse({}, { labels: { ['k'.repeat(64)]: 'v' } }))[0]!,
        /name part must be no more than 63 characters$/,
      );
      assert.match(
        (await refuse({}, { annotations: { '/a': '' } }))[0]!,
        /^metadata\.annotations: .*prefix part must be non-empty$/,
      );
    });
  });

  describe('workloads', () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const deployment = (template: JsonObject) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'web' } }, template },
    });
    const { spec } = podObject('a');

    it('must select their own pods, whose template is checked like a pod', async () => {
      const other = deployment({ metadata: { labels: { app: 'db' } }, spec: withPorts({ containerPort: 0 }) });
      assert.deepEqual(causes(await create(deployments, other)), [
        'spec.template.metadata.labels: Invalid value: map[string]string{"app":"db"}: `selector` does not match template `labels`',
        'spec.template.spec.containers[0].ports[0].containerPort: Required value',
      ]);
      const created = await create(deployments, deployment({ metadata: { labels: { app: 'web' } }, spec }));
      assert.deepEqual([created.body.spec.replicas, created.body.metadata.generation], [1, 1]);
    });

    it('that are jobs must say what happens to failed pods', async () => {
      const job = {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'j', namespace: 'default' },
        spec: { template: { spec } },
      };
      const { body } = await create('/apis/batch/v1/namespaces/default/jobs', job);
      assert.match(body.message, /restartPolicy: Required value/);
    });
  });
}
