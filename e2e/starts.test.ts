import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'mocha';
import { fieldAt, listAt } from '../src/lab/api/object.ts';
import type { ApiObject } from '../src/lab/api/object.ts';
import { pods, policy, port } from '../test/kernel/policies.ts';
import { eventually } from '../test/kernel/eventually.ts';
import { skipTest } from '../test/support/skip.ts';
import type { Cluster } from './cluster/cluster.ts';
import { onCluster } from './cluster/cluster.ts';

const starts = Number(process.env['E2E_STARTS'] ?? 20);
/** Pods that start in parallel. */
const batch = 20;

const witnesses = ['x/a', 'x/b'];
const forbidden = { flow: 'forbidden---', port: 81 };
const allowed = { flow: 'allowed-----', port: 80 };
const program = readFileSync(new URL('cluster/starter.py', import.meta.url), 'utf8');

onCluster('pods that start', (cluster) => {
  it('send no forbidden packet from their first instruction on (S7.5)', async function () {
    // Pods of the lab have no containers; test/kernel/pod-start.test.ts tests the same there.
    if (!cluster().target.hasKubelet) skipTest(this, 'the kubelet of the lab runs no containers');
    this.timeout(300_000 + starts * 3000);
    const egress = [{ to: [pods({}, { ns: 'x' })], ports: [port(`UDP/${allowed.port}`)] }];
    await cluster().apply(policy('x', 'starters', { pods: { starts: 'yes' }, egress }));
    const answered: number[] = [];
    let sent = 0;
    for (let first = 0; first < starts; first += batch) {
      const names = Array.from({ length: Math.min(batch, starts - first) }, (_, i) => `starter-${first + i}`);
      for (const [index, name] of names.entries()) await cluster().put(starter(cluster(), name, index));
      for (const told of await ends(cluster(), names)) {
        assert.equal(Object.keys(told.answeredMs).length, witnesses.length * cluster().families.length);
        answered.push(...Object.values(told.answeredMs));
        sent += told.sent;
      }
      for (const name of names) await cluster().objects.remove('Pod', { namespace: 'x', name });
    }
    const received = await Promise.all(
      witnesses.map((key) => cluster().station(key).process.flowStats(forbidden.flow)),
    );
    assert.deepEqual(
      received.map(({ server }) => server?.received ?? 0),
      witnesses.map(() => 0),
    );
    answered.sort((a, b) => a - b);
    const [median, late] = [0.5, 0.99].map((part) => answered[Math.floor(part * (answered.length - 1))]);
    this.test!.title += `: 0 of ${sent} packets of ${starts} pods; allowed after ${median} ms, p99 ${late} ms`;
  });
});

interface Told {
  readonly sent: number;
  /** Time of the first answer by address of the witness. */
  readonly answeredMs: Readonly<Record<string, number>>;
}

function starter(cluster: Cluster, name: string, index: number): ApiObject {
  const addresses = witnesses.flatMap((key) => cluster.families.map((family) => cluster.address(key, family)));
  const args = [forbidden.flow, allowed.flow, String(forbidden.port), String(allowed.port), ...addresses];
  return cluster.pod(`x/${name}`, {
    node: cluster.target.nodes[index % 2]!,
    labels: { starts: 'yes' },
    ports: [],
    spec: { restartPolicy: 'Never' },
    container: { command: ['python3', '-I', '-S', '-c', program, ...args] },
  });
}

/** The last log lines of the pods. */
async function ends(cluster: Cluster, names: readonly string[]): Promise<Told[]> {
  let told: string[] = [];
  await eventually(async () => {
    const all = (await cluster.objects.list('Pod', 'x')).filter(({ metadata }) => names.includes(metadata.name!));
    told = all.flatMap((pod) => {
      const message = fieldAt(listAt(pod, 'status', 'containerStatuses')[0] ?? {}, 'state', 'terminated', 'message');
      return typeof message === 'string' ? [message] : [];
    });
    return told.length === names.length ? undefined : `${names.length - told.length} pods have not ended`;
  }, 180);
  return told.map((text) => JSON.parse(text) as Told);
}
