import type { Bench, Figure } from '../figure.ts';
import { interleave, pairs } from '../measure.ts';
import { ports, spaces, type RawObject } from './policies.ts';
import { compileNode, defaults, policiesAlone, withoutFastPath, type Checks } from './rule-sets.ts';
import { layouts, openWay, Scene, way, type Layout, type Way } from './scene.ts';
import { Tables } from './tables.ts';

const rounds = 25;
const milliseconds = 200;

/** Policies and checks of the node, and the pods at both ends. */
interface Variant {
  readonly name: string;
  readonly way: Way;
  readonly checks: Checks | undefined;
}

const checks: Readonly<Record<string, Checks>> = {
  'without gate and guard': policiesAlone,
  gate: { gate: true, guard: false },
  'gate and guard': withoutFastPath,
  'gate, guard and fast path': defaults,
};

const ways: Readonly<Record<string, Way>> = { 'no policy selects the ends': openWay, 'both ends isolated': way };

/** Cost of small packets between two pods of a node, compared with the same path with connection tracking only. */
export const packetCost: Bench = {
  name: 'packets',
  summary: 'a small UDP packet between two pods of a node, with rules, gate and guard',
  against: 'the same path with connection tracking alone',
  async run(progress) {
    const figures: Figure[] = [];
    for (const layout of layouts) {
      await Scene.with(layout, 'ipv4', async (scene) => {
        figures.push(...(await measureLayout(scene, layout, (message) => progress(`${layout}: ${message}`))));
      });
    }
    return figures;
  },
};

async function measureLayout(scene: Scene, layout: Layout, progress: (message: string) => void): Promise<Figure[]> {
  const ruleSets = Object.values(checks).map((each) => {
    return { name: nameOf(each), script: compileNode(plainPolicies(), each, layout).script };
  });
  const tables = await Tables.load(scene, ruleSets);
  const figures: Figure[] = [];
  for (const [ends, each] of Object.entries(ways)) {
    const alone: Variant = { name: '', way: each, checks: undefined };
    const ours = Object.entries(checks).map(([name, on]): Variant => ({ name, way: each, checks: on }));
    const costs = await interleave(
      [alone, ...ours],
      rounds,
      async (variant) => {
        await tables.choose(...(variant.checks ? [nameOf(variant.checks)] : []));
        return 1e9 / (await scene.rate(variant.way, 'udp', ports.tuple, milliseconds));
      },
      (done, of) => progress(`${ends}, ${done} of ${of} runs`),
    );
    for (const variant of ours) {
      figures.push({
        id: 'packets',
        what: `${layout}: ${ends}, ${variant.name}`,
        unit: 'ratio',
        sides: 'ns',
        runs: pairs(costs.get(variant)!, costs.get(alone)!),
      });
    }
  }
  return figures;
}

function nameOf(on: Checks): string {
  return `gate-${on.gate}-guard-${on.guard}-fast-path-${on.fastPath ?? false}`;
}

/** One policy per namespace that isolates all its pods, and allows one port between the ends. */
function plainPolicies(): RawObject[] {
  const peers = [{ namespaceSelector: {}, podSelector: { matchLabels: { role: 'end' } } }];
  const allowed = [{ protocol: 'UDP', port: ports.tuple }];
  return spaces.map((namespace) => ({
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'plain' },
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: peers, ports: allowed }],
      egress: [{ to: peers, ports: allowed }],
    },
  }));
}
