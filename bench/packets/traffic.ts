import type { Family } from '../../src/model/address.ts';
import type { Bench, Figure } from '../figure.ts';
import { interleave } from '../measure.ts';
import { counts, ports } from './policies.ts';
import { openWay, remoteWay, Scene, way, type Layout, type Way } from './scene.ts';
import { Tables } from './tables.ts';
import { figuresOf, flatness } from './traffic-figures.ts';
import {
  betweenIsolated,
  betweenOpen,
  byService,
  flows,
  oneEndLocal,
  services,
  type Traffic,
} from './traffic-kinds.ts';
import { loopback, none, ruleSetOf, variantsOf, type Variant } from './traffic-variants.ts';

const rounds = 17;
/** Bulk transfers vary by 10% from run to run, with or without rules, so a precision of 1% needs more rounds. */
const bulkRounds = 51;
const most = counts.at(-1)!;

/** Cost of policies for traffic between two pods of a node, and its independence of the number of policies. */
export const traffic: Bench = {
  name: 'traffic',
  summary: 'traffic between two pods of a node with 250 isolated pods, and 10 to 10,000 policies',
  against: 'the same path with connection tracking alone',
  async run(progress) {
    const all = [...variantsOf('alone', counts), ...variantsOf('defaults', counts)];
    const large = [...variantsOf('alone', [most]), ...variantsOf('defaults', [most])];
    const tuples = betweenIsolated.filter(({ port }) => port === ports.tuple);
    // Bulk transfers by the clock are long and vary most. The processor time shows what the family costs.
    const shorter = (kinds: readonly Traffic[]): Traffic[] => kinds.filter(({ mode }) => mode !== 'bulk');
    const nodes: readonly Measured[] = [
      {
        layout: 'routed',
        family: 'ipv4',
        ours: all,
        lists: variantsOf('list', counts),
        between: betweenIsolated,
        others: [flows, ...oneEndLocal, ...byService],
        open: betweenOpen,
      },
      {
        layout: 'bridged',
        family: 'ipv4',
        ours: large,
        lists: [],
        between: tuples,
        others: [flows, ...oneEndLocal],
        open: betweenOpen,
      },
      {
        layout: 'routed',
        family: 'ipv6',
        ours: large,
        lists: [],
        between: shorter(betweenIsolated),
        others: [],
        open: shorter(betweenOpen),
      },
      {
        layout: 'bridged',
        family: 'ipv6',
        ours: large,
        lists: [],
        between: shorter(tuples),
        others: [],
        open: shorter(betweenOpen),
      },
    ];
    const figures: Figure[] = [];
    for (const each of nodes) {
      const name = nameOf(each);
      await Scene.with(each.layout, each.family, async (scene) => {
        figures.push(...(await measureNode(scene, each, (message) => progress(`${name}: ${message}`))));
      });
    }
    return figures;
  },
};

function nameOf({ layout, family }: Pick<Measured, 'layout' | 'family'>): string {
  return family === 'ipv4' ? layout : `${layout}, IPv6`;
}

interface Measured {
  readonly layout: Layout;
  readonly family: Family;
  readonly ours: readonly Variant[];
  /** Rule lists for comparison. */
  readonly lists: readonly Variant[];
  /** Between the isolated pods. */
  readonly between: readonly Traffic[];
  /** Elsewhere, with the most policies only. */
  readonly others: readonly Traffic[];
  /** Between the pods that no policy selects. */
  readonly open: readonly Traffic[];
}

async function measureNode(scene: Scene, node: Measured, progress: (message: string) => void): Promise<Figure[]> {
  const { layout, family, ours, lists, between, others, open } = node;
  progress('compiling');
  const all = [...ours, ...lists];
  const tables = await Tables.load(scene, [services, ...all.map((variant) => ruleSetOf(variant, layout, family))]);
  await checkEnforcement(scene, tables, all);
  const measure = async (on: Way, each: Traffic, variants: readonly Variant[]): Promise<Map<Variant, number[]>> => {
    await scene.forgetConnections();
    return interleave(
      variants,
      each.mode === 'bulk' ? bulkRounds : rounds,
      async (variant) => {
        await tables.choose(
          ...(variant.name === undefined ? [] : [variant.name]),
          ...(on.service ? [services.name] : []),
        );
        const path = variant.kind === 'loopback' ? { from: on.from, to: on.from } : on;
        return scene.rate(path, each.mode, each.port, each.milliseconds);
      },
      (done, of) => progress(`${each.what}, ${done} of ${of} runs`),
    );
  };
  const mostPolicies = ours.filter(({ policies }) => policies === most);
  const name = nameOf(node);
  const figures: Figure[] = [];
  for (const each of between) {
    const beside = each.port === ports.tuple ? [...lists, loopback] : [];
    const rates = await measure(way, each, [none, ...ours, ...beside]);
    const hasCurves = layout === 'routed' && family === 'ipv4';
    figures.push(...figuresOf('B1', name, each, rates, hasCurves), ...flatness(name, each, rates));
  }
  for (const each of others) {
    figures.push(...figuresOf('B1', name, each, await measure(each.on ?? way, each, [none, ...mostPolicies])));
  }
  for (const each of open) {
    figures.push(...figuresOf('B2', name, each, await measure(openWay, each, [none, ...mostPolicies])));
  }
  return figures;
}

/** Verifies that the rules are active, because inactive rules would look fast. */
export async function checkEnforcement(
  scene: Scene,
  tables: Tables,
  variants: readonly Pick<Variant, 'name' | 'title'>[],
): Promise<void> {
  for (const { name, title } of [none, ...variants]) {
    await tables.choose(...(name === undefined ? [] : [name]));
    for (const on of [way, remoteWay, openWay]) {
      const arrived = await scene.probe(on, ports.tuple, ports.forbidden);
      const isDenied = name !== undefined && on !== openWay;
      if (arrived.allowed === 0 || arrived.forbidden > 0 === isDenied) {
        throw new Error(`${title}, ${on.from.device} to ${on.to.device}: arrived ${JSON.stringify(arrived)}`);
      }
    }
  }
}
