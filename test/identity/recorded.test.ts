import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { keyOf, type ApiObject } from '../support/pipeline.ts';
import { startKubeApiserver, type KubeApiserver } from '../watch/kube-apiserver.ts';
import { ApiServerActor } from './api-server-actor.ts';
import {
  formatOrder,
  orderNames,
  ordersFolder,
  parseOrder,
  readOrder,
  type FactLine,
  type OrderLine,
} from './order.ts';
import { sandboxStories } from './sandbox-stories.ts';
import { stories as objectStories, tellWorld } from './stories.ts';

const assets = process.env['KUBEBUILDER_ASSETS'];
const stories = [...objectStories, ...sandboxStories];
const rewrite = process.env['UPDATE_ORDERS'] === '1';

/**
 * orders/NAME.jsonl is what the watches of a real kube-apiserver said while a story was told to it. With KUBEBUILDER_ASSETS (a folder with
 * etcd and kube-apiserver) the stories are told again, and must come to the same; UPDATE_ORDERS=1 writes the files anew, and
 * then in replay.test.ts those beside them.
 */
describe('the recorded orders', () => {
  it('are those of the stories', () => {
    if (rewrite) return;
    assert.deepEqual(orderNames(), stories.map(({ name }) => name).sort());
  });
});

if (assets) {
  describe(`the stories, told to the kube-apiserver of ${assets}`, function () {
    this.timeout(120_000);
    let server: KubeApiserver;
    before(async () => {
      server = await startKubeApiserver(assets);
    });
    after(() => server.close());

    for (const { name, tell } of stories) {
      it(`${name}: its watches say what is recorded`, async () => {
        const cluster = new ApiServerActor(server.config);
        try {
          await tellWorld(cluster);
          await cluster.list();
          await tell(cluster);
          await cluster.watch();
        } finally {
          await cluster.deleteEverything();
        }
        if (rewrite) writeFileSync(join(ordersFolder, `${name}.jsonl`), formatOrder(cluster.lines));
        else assert.deepEqual(identitiesIn(parseOrder(formatOrder(cluster.lines))), identitiesIn(readOrder(name)));
      });
    }
  });
}

/** What of each line says who a pod, node or namespace is. Uids are numbered as they appear. */
function identitiesIn(lines: readonly OrderLine[]): unknown[] {
  const numbers = new Map<unknown, number>();
  const numberOf = (uid: unknown): number => {
    if (!numbers.has(uid)) numbers.set(uid, numbers.size);
    return numbers.get(uid)!;
  };
  const identityOf = (object: ApiObject): unknown => {
    const { uid, labels, deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
    const { nodeName, hostNetwork } = (object['spec'] ?? {}) as Record<string, unknown>;
    const { phase, podIPs, addresses } = (object['status'] ?? {}) as Record<string, unknown>;
    const leaving = deletionTimestamp === undefined ? undefined : deletionGracePeriodSeconds;
    const place = { nodeName, hostNetwork, phase, podIPs, addresses };
    return { kind: object.kind, key: keyOf(object), uid: numberOf(uid), labels, leaving, ...place };
  };
  const factOf = (line: FactLine): unknown => {
    const { fact, node } = line;
    if (!('value' in fact) || !fact.value) return line;
    return { node, fact: { ...fact, value: { ...fact.value, uid: numberOf(fact.value.uid) } } };
  };
  return lines.map((line) => {
    if (line.type === 'FACT') return factOf(line);
    const { type, object } = line;
    return { type, objects: 'items' in object ? (object.items as ApiObject[]).map(identityOf) : [identityOf(object)] };
  });
}
