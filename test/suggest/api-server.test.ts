import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { toYaml } from '../../src/cli/flows/yaml.ts';
import { objectAt, type JsonObject } from '../../src/lib/json.ts';
import { suggest } from '../../src/suggest/suggest.ts';
import { skipTest } from '../support/skip.ts';
import { startKubeApiserver, type KubeApiserver } from '../watch/kube-apiserver.ts';
import { exampleFolders, suggestForExample } from './example-traffic.ts';
import { scenes, wanted } from './random-traffic.ts';

const assets = process.env['KUBEBUILDER_ASSETS'];
const clusterCount = 200;

describe('suggestions on a real API server', function () {
  this.timeout(120_000);
  let server: KubeApiserver | undefined;
  let folder: string;
  before(async function () {
    if (!assets) return skipTest(this, 'KUBEBUILDER_ASSETS names no folder with kube-apiserver, etcd and kubectl');
    server = await startKubeApiserver(assets);
    folder = await mkdtemp(join(tmpdir(), 'postern-suggest-'));
    await writeFile(join(folder, 'config'), server.config.exportConfig());
  });
  after(async () => {
    await server?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const options = { env: { KUBECONFIG: join(folder, 'config') }, ...(input !== undefined && { input }) };
    return (await execa(join(assets!, 'kubectl'), args, options)).stdout;
  };

  it(`are accepted as they are written (${clusterCount} clusters)`, async () => {
    const policies = fc
      .sample(scenes, { numRuns: clusterCount, seed: 18 })
      .flatMap(({ objects, seen }) => suggest(objects, seen, wanted).suggestions.map(({ policy }) => policy))
      .map((policy, index) => {
        const { namespace, name } = policy['metadata'] as { namespace: string; name: string };
        // All clusters share three namespaces here.
        return { ...policy, spec: policy['spec'], metadata: { namespace, name: `${name}-${index}` } };
      });
    assert.ok(policies.length > clusterCount);
    for (const name of ['x', 'y', 'z']) await kubectl(['create', 'namespace', name]);
    await kubectl(
      ['create', '--validate=strict', '-f', '-'],
      policies.map((policy) => `---\n${toYaml(policy)}`).join(''),
    );
    const { items } = JSON.parse(await kubectl(['get', 'networkpolicies', '-A', '-o', 'json'])) as {
      items: JsonObject[];
    };
    const specs = new Map(items.map((each) => [(each['metadata'] as { name: string }).name, each['spec']]));
    assert.equal(specs.size, policies.length);
    for (const policy of policies) {
      const { ingress, egress, ...rest } = policy.spec as { ingress: unknown[]; egress: unknown[] };
      // The server leaves out empty lists.
      const lists = { ...(ingress.length > 0 && { ingress }), ...(egress.length > 0 && { egress }) };
      assert.deepEqual(specs.get(policy.metadata.name), { ...rest, ...lists });
    }
  });

  it('for the examples are accepted, too', async () => {
    const examples = await Promise.all(exampleFolders.map(suggestForExample));
    const policies = examples.flatMap(({ suggestions }, index) =>
      suggestions.map(({ policy, namespace }) => ({
        ...policy,
        metadata: { ...objectAt(policy, 'metadata'), namespace: `e${index}-${namespace}` },
      })),
    );
    assert.ok(policies.length > exampleFolders.length, `${policies.length} policies`);
    const homes = new Set(policies.map(({ metadata }) => metadata.namespace));
    const manifests = [
      ...Array.from(homes, (name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
      ...policies,
    ];
    await kubectl(['create', '--validate=strict', '-f', '-'], manifests.map((each) => `---\n${toYaml(each)}`).join(''));
    const listed = (await kubectl(['get', 'networkpolicies', '-A', '--no-headers'])).split('\n');
    assert.equal(listed.filter((line) => homes.has(line.split(/ +/)[0]!)).length, policies.length);
  });
});
