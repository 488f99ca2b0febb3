import { modeAnnotation } from '../../src/model/policy.ts';
import type { Bench, Figure } from '../figure.ts';
import { compareAlike } from './alike.ts';
import { policyObjects, ports, type RawObject } from './policies.ts';
import { compileNode, defaults, withoutFastPath, type Checks } from './rule-sets.ts';
import { openWay, Scene } from './scene.ts';
import { Tables } from './tables.ts';

const networkPolicies = 10;

/** A policy in audit for the open pods, in both directions. */
function inAudit(allowed: object): RawObject {
  const metadata = { namespace: 'open', name: 'audit', annotations: { [modeAnnotation]: 'audit' } };
  const spec = { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [allowed], egress: [allowed] };
  return { kind: 'NetworkPolicy', metadata, spec };
}

/** What the policy would allow, and deny. A denial is recorded, at most 100 in a second. */
const audits: Readonly<Record<string, readonly RawObject[]>> = {
  none: [],
  'would allow': [inAudit({ ports: ['UDP', 'TCP'].map((protocol) => ({ protocol, port: ports.tuple })) })],
  'would deny': [inAudit({ ports: [{ protocol: 'UDP', port: 53 }] })],
};

const checks: Readonly<Record<string, Checks>> = {
  'without fast path': withoutFastPath,
  'with fast path': defaults,
};

/** What an audit costs the packets of its pods. */
export const auditTraffic: Bench = {
  name: 'audit-traffic',
  summary: 'traffic between two pods with a policy in audit (B12)',
  against: 'the same pods without a policy',
  async run(progress) {
    let figures: Figure[] = [];
    await Scene.with('routed', 'ipv4', async (scene) => {
      const variants = Object.keys(checks).map((title) => {
        return Object.keys(audits).map((audit) => ({ name: `${title} ${audit}`.replaceAll(/\W/g, '-'), title, audit }));
      });
      progress('compiling');
      const tables = await Tables.load(
        scene,
        variants.flat().map(({ name, title, audit }) => {
          const policies = [...policyObjects(networkPolicies), ...audits[audit]!];
          return { name, script: compileNode(policies, checks[title]!, 'routed').script };
        }),
      );
      figures = await compareAlike({
        ...{ scene, tables, way: openWay, groups: variants, progress },
        figureOf: ({ audit, title }, kind) => ({
          id: 'B12',
          what: `${kind}, an audit ${audit} it, ${title}`,
          bar: { atLeast: 0.85 },
        }),
      });
    });
    return figures;
  },
};
