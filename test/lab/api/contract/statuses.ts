import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { before, describe, it } from 'mocha';
import { ClusterPolicies } from '../../../../src/agent/status/cluster-policies.ts';
import { writeHeld } from '../../../../src/agent/status/held-report.ts';
import { HeldWriter } from '../../../../src/agent/status/held-writer.ts';
import { LeaseClient } from '../../../../src/agent/status/lease-client.ts';
import { StatusWriter } from '../../../../src/agent/status/status-writer.ts';
import type { ApiClient } from '../../../../src/watch/api-client.ts';
import { statusError } from '../../../../src/watch/api-error.ts';
import { readIdentity } from '../../../../src/watch/decode.ts';
import { optionalResources } from '../../../../src/watch/resources.ts';
import type { Reply, RequestOptions } from '../api-caller.ts';
import { clusterNetworkPolicyCrd } from './cluster-network-policy-crd.ts';
import type { TestedServer } from './tested-server.ts';

const policies = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const merge = { 'content-type': 'application/merge-patch+json' };
const condition = {
  type: 'Other',
  status: 'True',
  reason: 'Why',
  message: '',
  lastTransitionTime: '2026-12-01T00:00:00Z',
};

/** The status of ClusterNetworkPolicies, Leases, and what an agent does with both. */
export function describeStatuses(server: () => TestedServer): void {
  const call = (path: string, options?: RequestOptions): Promise<Reply> => server().api.call(path, options);
  const create = (path: string, body: object): Promise<Reply> => call(path, { method: 'POST', body });
  const patch = (path: string, body: object, headers = merge): Promise<Reply> =>
    call(path, { method: 'PATCH', headers, body });
  const addPolicy = (name: string): Promise<Reply> =>
    create(policies, {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name },
      spec: { tier: 'Admin', priority: 1, subject: { namespaces: {} } },
    });

  describe('the status of a ClusterNetworkPolicy', () => {
    before(async () => {
      if (server().isReal) await create(crds, clusterNetworkPolicyCrd);
      while ((await call(policies).catch(() => undefined))?.code !== 200) await setTimeout(50);
    });

    it('is patched by its version, and the rest stays as it is', async () => {
      const { metadata } = (await addPolicy('one')).body;
      const status = { conditions: [condition] };
      const { resourceVersion } = metadata;
      const body = { metadata: { resourceVersion, labels: { a: 'b' } }, spec: { priority: 9 }, status };
      const written = await patch(`${policies}/one/status`, body);
      assert.equal(written.code, 200, JSON.stringify(written.body));
      assert.deepEqual([written.body.spec.priority, written.body.metadata.generation], [1, 1]);
      assert.deepEqual(written.body.status, status);
      assert.notEqual(written.body.metadata.resourceVersion, resourceVersion);
      const stale = { metadata: { resourceVersion }, status: { conditions: [] } };
      assert.equal((await patch(`${policies}/one/status`, stale)).code, 409, 'from an older version');
      const again = await patch(`${policies}/one/status`, { status });
      assert.equal(again.body.metadata.resourceVersion, written.body.metadata.resourceVersion, 'without a change');
      const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
      assert.equal((await patch(`${policies}/one/status`, { status }, strategic)).code, 415);
      assert.equal((await patch(`${policies}/none/status`, { status })).code, 404);
    });

    it('is written by one agent, and stays as it is after another is elected (S10.27 to S10.30)', async () => {
      const node = (await create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'status-1' } }))
        .body;
      await addPolicy('two');
      await patch(`${policies}/two/status`, { status: { conditions: [condition] } });
      const client = clientOf(server());
      const known = new ClusterPolicies();
      known.served(policies);
      const deliver = async (): Promise<void> => {
        const { resource, decode } = optionalResources[0]!;
        for (const raw of (await call(policies)).body.items) {
          const { name: key, ...version } = readIdentity(raw)!;
          known.receive({ op: 'upsert', resource, key, ...version, ...decode(raw, readIdentity(raw)!) });
        }
      };
      let now = 0;
      const { signal } = new AbortController();
      const leases = new LeaseClient(client, 'default', signal);
      const writes: string[] = [];
      const sources = {
        ...{ client, leases, signal, policies: known, node: 'status-1', now: () => now },
        wallTime: () => Date.UTC(2026, 11, 1) + now,
        random: () => 0.5,
        observer: {
          wrote: (what: string, result: string) => void writes.push(`${what} ${result}`),
          refused: (name: string, error: unknown) => assert.fail(`${name}: ${String(error)}`),
          elected: () => {},
        },
      };
      const agent = (name: string): StatusWriter =>
        new StatusWriter({
          ...sources,
          node: name,
          nodes: () => new Map([['status-1', { uid: node.metadata.uid }]]),
          isReady: () => true,
          nextTurn: async () => {},
          tied: () => {},
        });
      const reports = new HeldWriter({
        ...sources,
        nodes: () => 1,
        nodeUid: () => node.metadata.uid,
        report: () => writeHeld(known.all, new Set()),
      });
      await deliver();
      // A server that has not stored the report before the list shows it next time.
      const look = async (writer: StatusWriter, times: number): Promise<void> => {
        for (let i = 0; i < times; i++) {
          now += 5000;
          await reports.look();
          await writer.look();
          await deliver();
        }
      };
      const first = agent('status-1');
      await look(first, 3);
      const { conditions } = (await call(`${policies}/two`)).body.status;
      assert.deepEqual(
        conditions.map(({ type, status, message }: Record<string, string>) => `${type} ${status} ${message}`),
        [
          'Other True ',
          'Accepted True Postern can enforce all of this policy',
          'Programmed True Programmed on all 1 node',
        ],
      );
      const before = [...writes];
      assert.deepEqual(before.toSorted(), ['lease written', 'report written', 'status written', 'status written']);
      // Elected no more, it does not come between.
      const second = agent('status-2');
      await second.look();
      assert.equal(second.isElected, false);
      now += 70_000;
      await second.look();
      assert.equal(second.isElected, true);
      await look(second, 3);
      await first.look();
      assert.equal(first.isElected, false);
      assert.deepEqual(
        writes.slice(before.length).filter((each) => each.startsWith('status')),
        [],
      );
    });
  });
}

/** As the agent's client, over the caller of the test. */
function clientOf({ api }: TestedServer): ApiClient {
  const send = async (path: string, options: RequestOptions): Promise<unknown> => {
    const { code, body } = await api.call(path, options);
    if (code > 299) throw statusError(code, body);
    return body;
  };
  return {
    async get(path, { query }) {
      const search = new URLSearchParams(query).toString();
      const body = JSON.stringify(await send(`${path}?${search}`, { headers: { accept: 'application/json' } }));
      return (async function* () {
        yield Buffer.from(body);
      })();
    },
    write: (verb, path, body) =>
      send(path, verb === 'create' ? { method: 'POST', body } : { method: 'PATCH', headers: merge, body }),
  };
}
