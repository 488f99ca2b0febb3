import assert, { deepEqual } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { checkTests } from '../../src/cli/expect/check.ts';
import type { PolicyTest } from '../../src/cli/expect/format.ts';
import { readTests } from '../../src/cli/expect/read-tests.ts';
import { readManifestCluster } from '../../src/cli/explain/cluster-source.ts';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { Cluster } from '../../src/evaluator/cluster.ts';
import type { Endpoint, PortProtocol } from '../../src/evaluator/decision.ts';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import { listAt, textAt } from '../../src/lib/json.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { assignAddresses } from '../../src/manifests/addresses.ts';
import { applyDefaults } from '../../src/manifests/defaults.ts';
import { loadManifests } from '../../src/manifests/load.ts';

const folder = join(import.meta.dirname, '../../examples');
const examples = readdirSync(folder, { withFileTypes: true })
  // Networks are no policies. The kernel tests run them.
  .filter((entry) => entry.isDirectory() && entry.name !== 'networks')
  .map(({ name }) => name);

/** A pod or a host of an example's cast. */
interface Member {
  /** `shop/api`, `host/database` */
  readonly name: string;
  readonly addresses: readonly Endpoint[];
  /** `TCP/80` */
  readonly ports: readonly string[];
}

/**
 * `NAME.txt` beside this file is written by hand: for each port of each member of the cast, who reaches it (of all others, in
 * every family that both have), or `nobody`. Hosts are not asked about each other.
 */
describe('the examples', () => {
  for (const name of examples) {
    it(`${name} does what its comments say`, async () => {
      const { objects, problems } = await loadManifests([join(folder, name)]);
      deepEqual(problems, []);
      const cluster = prepareCluster(assignAddresses(applyDefaults(objects).objects).objects);
      deepEqual(cluster.issues, []);
      const cast = readCast(objects);
      const expected = readFileSync(join(import.meta.dirname, `${name}.txt`), 'utf8')
        .trimEnd()
        .split('\n');
      deepEqual(
        cast.flatMap((to) => to.ports.map((port) => `${to.name} ${port}: ${whoReaches(cluster, cast, to, port)}`)),
        expected,
      );
    });
  }

  const tested = examples.filter((name) => existsSync(join(folder, name, 'tests.yaml')));
  it('have expectations for `postern test`', () => {
    assert.ok(tested.length >= 5);
  });

  for (const name of tested) {
    it(`${name} does what its tests.yaml says, and no expectation holds the other way round`, async () => {
      const source = await readManifestCluster([join(folder, name)]);
      const tests = await readTests([join(folder, name, 'tests.yaml')]);
      const check = async (asked: readonly PolicyTest[]): Promise<string[]> => {
        const { results } = await checkTests({ by: 'policies', source, most: 10_000 }, asked);
        return results.map(({ status }) => status);
      };
      deepEqual(
        await check(tests),
        tests.map(() => 'passed'),
      );
      const flipped = tests.map((test): PolicyTest => ({
        ...test,
        expect: test.expect === 'denied' ? 'allowed' : 'denied',
      }));
      deepEqual(
        await check(flipped),
        tests.map(() => 'failed'),
      );
    });
  }

  it('are all listed in their README', () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8');
    const listed = [...readme.matchAll(/^\| \[([a-z0-9-]+)\]\(\1\)/gm)].map(([, name]) => name!);
    deepEqual(listed.toSorted(), examples.toSorted());
  });
});

function whoReaches(cluster: Cluster, cast: readonly Member[], to: Member, port: string): string {
  const [protocol, number] = port.split('/') as [PortProtocol, string];
  const reaching = cast.flatMap((from) => {
    if (from === to || (from.name.startsWith('host/') && to.name.startsWith('host/'))) return [];
    const answers = from.addresses.flatMap((source) =>
      to.addresses.flatMap((destination) => {
        const common = familiesOf(cluster, source).filter((family) =>
          familiesOf(cluster, destination).includes(family),
        );
        return common.map((family) => {
          const { verdict } = evaluate(cluster, {
            source,
            destination,
            protocol,
            destinationPort: Number(number),
            family,
          });
          return { family, verdict };
        });
      }),
    );
    const allowed = answers.filter(({ verdict }) => verdict === 'allowed').map(({ family }) => family);
    if (allowed.length === 0) return [];
    return [allowed.length === answers.length ? from.name : `${from.name}(${allowed.join()} only)`];
  });
  return reaching.join(' ') || 'nobody';
}

function readCast(objects: readonly JsonObject[]): Member[] {
  return objects.flatMap((object): Member[] => {
    const name = textAt(object, 'metadata', 'name')!;
    if (object['kind'] === 'Pod') {
      const pod = `${textAt(object, 'metadata', 'namespace')}/${name}`;
      const ports = listAt(object, 'spec', 'containers').flatMap((container) => listAt(container, 'ports'));
      return [{ name: pod, addresses: [{ pod }], ports: ports.map((port) => describePort(port, 'containerPort')) }];
    }
    if (object['kind'] !== 'Host') return [];
    const addresses = listAt(object, 'spec', 'addresses').map((address) => ({ address: address as string }));
    return [
      {
        name: `host/${name}`,
        addresses,
        ports: listAt(object, 'spec', 'ports').map((port) => describePort(port, 'port')),
      },
    ];
  });
}

function describePort(port: unknown, field: string): string {
  return `${textAt(port, 'protocol') ?? 'TCP'}/${(port as Record<string, number>)[field]}`;
}
