import { ok } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../../src/evaluator/cluster.ts';
import { families, familyOf, type Family } from '../../../src/model/address.ts';
import { CaseCluster, readCases } from '../../evaluator/cases.ts';
import { skipTest } from '../../support/skip.ts';
import { startPipeline, type ApiObject } from '../../support/pipeline.ts';
import { assertAttributed } from './attribution.ts';

const file = readCases();

/** A node that all pods are on. */
const node = 'n1';

function onNode(object: ApiObject): ApiObject {
  if (object.kind !== 'Pod') return object;
  const { namespace, name } = object.metadata;
  const uid = `${namespace}/${name}`;
  return { ...object, metadata: { ...object.metadata, uid }, spec: { ...(object['spec'] as object), nodeName: node } };
}

describe('the conformance cases, denied', () => {
  if (!file) {
    it('are attributed as the evaluator does', function () {
      skipTest(this, 'the cases are not beside this checkout (../shared/cases/cases.json)');
    });
    return;
  }
  let asked = 0;
  for (const each of file.cases) {
    it(`${each.id}: the policies and the reason are the evaluator's`, () => {
      const cases = new CaseCluster(file, each);
      for (const step of each.steps) {
        for (const action of step.actions) cases.apply(action);
        const objects = Array.from(cases.objects as Iterable<ApiObject>, onNode);
        const cluster = prepareCluster(objects);
        const pipeline = startPipeline(node, objects);
        const addressOf = (pod: string, family: Family): string | undefined => {
          const found = objects.find(
            ({ kind, metadata }) => kind === 'Pod' && `${metadata.namespace}/${metadata.name}` === pod,
          );
          const { podIPs = [] } = (found?.['status'] ?? {}) as { podIPs?: { ip: string }[] };
          return podIPs.map(({ ip }) => ip).find((ip) => familyOf(ip) === family);
        };
        for (const family of each.ipFamily ? [`ipv${each.ipFamily}` as const] : families) {
          for (const [from, targets] of Object.entries(step.expected)) {
            for (const [to, ports] of Object.entries(targets)) {
              const [source, destination] = [addressOf(from, family), addressOf(to, family)];
              if (source === undefined || destination === undefined) continue;
              for (const text of Object.keys(ports)) {
                const [protocol, port] = text.split('/') as [string, string];
                const tuple = { family, source, destination, protocol: protocol.toLowerCase(), port: Number(port) };
                asked += assertAttributed(tuple, { cluster, objects, pipelineAt: () => pipeline });
              }
            }
          }
        }
      }
    });
  }
  it('are many', () => ok(asked > 10_000, `only ${asked} denials`));
});
