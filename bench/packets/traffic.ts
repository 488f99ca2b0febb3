import type { Bar, Bench, Figure } from '../figure.ts';
import { interleave, pairs } from '../measure.ts';
import { counts, localPods, policyObjects, ports } from './policies.ts';
import { ruleList } from './rule-list.ts';
import { compileNode, defaults, policiesAlone, type Checks } from './rule-sets.ts';
import { openWay, Scene, way, type Layout, type Mode, type Way } from './scene.ts';
import { Tables, type RuleSet } from './tables.ts';

const rounds = 17;
/** Bulk transfers vary by 10% from run to run, with or without rules, so a precision of 1% needs more rounds. */
const bulkRounds = 51;
const most = counts.at(-1)!;

/** Kind of traffic, with its bar. */
interface Traffic {
  readonly what: string;
  readonly mode: Mode;
  readonly port: number;
  readonly milliseconds: number;
  /** Missing if the figure is informational. */
  readonly bar?: Bar;
}

const bulk = { what: 'bulk TCP', mode: 'bulk', port: ports.tuple, milliseconds: 300 } as const;
/** Bulk TCP by processor time. */
const stream = { what: 'bulk TCP, by processor time', mode: 'stream', port: ports.tuple, milliseconds: 100 } as const;
const connect = { what: 'new TCP connections', mode: 'connect', port: ports.tuple, milliseconds: 200 } as const;
const answered = { what: 'small UDP of an answered flow', mode: 'answered', milliseconds: 100 } as const;
const oneWay = { what: 'small UDP that nobody answers', mode: 'udp', milliseconds: 100 } as const;

const betweenIsolated: readonly Traffic[] = [
  { ...bulk, bar: { atLeast: 0.97 } },
  stream,
  { ...connect, bar: { atLeast: 0.85 } },
  { ...answered, what: `${answered.what}, exact tuple`, port: ports.tuple, bar: { atLeast: 0.85 } },
  { ...oneWay, what: `${oneWay.what}, exact tuple`, port: ports.tuple, bar: { atLeast: 0.85 } },
  { ...answered, what: `${answered.what}, block`, port: ports.block, bar: { atLeast: 0.75 } },
  { ...answered, what: `${answered.what}, shared group`, port: ports.group, bar: { atLeast: 0.75 } },
  {
    ...answered,
    what: `${answered.what}, last of three shared groups of a port`,
    port: ports.lastGroup,
    bar: { atLeast: 0.75 },
  },
];

const betweenOpen: readonly Traffic[] = [
  { ...bulk, bar: { atLeast: 0.98 } },
  stream,
  { ...answered, port: ports.tuple, bar: { atLeast: 0.94 } },
  { ...oneWay, port: ports.tuple, bar: { atLeast: 0.94 } },
];

/** Active rules of the node, or connection tracking only. */
interface Variant {
  /** Name of its tables. */
  readonly name?: string;
  readonly title: string;
  readonly policies: number;
  readonly kind: 'none' | 'alone' | 'defaults' | 'list' | 'loopback';
}

const none: Variant = { title: '', policies: 0, kind: 'none' };
/** The generator and the sockets without a path. */
const loopback: Variant = { title: 'the generator alone, over loopback', policies: 0, kind: 'loopback' };

function variantsOf(kind: 'alone' | 'defaults' | 'list', of: readonly number[]): Variant[] {
  const what = { alone: '', defaults: ', with gate and guard', list: ', as a list of rules' }[kind];
  return of.map((policies) => ({
    name: `${kind}-${policies}`,
    title: `${policies.toLocaleString('en')} policies${what}`,
    policies,
    kind,
  }));
}

/** Cost of policies for traffic between two pods of a node, and its independence of the number of policies. */
export const traffic: Bench = {
  name: 'traffic',
  summary: 'traffic between two pods of a node with 250 isolated pods, and 10 to 10,000 policies',
  against: 'the same path with connection tracking alone',
  async run(progress) {
    const routed = {
      layout: 'routed',
      ours: [...variantsOf('alone', counts), ...variantsOf('defaults', counts)],
      lists: variantsOf('list', counts),
      between: betweenIsolated,
    } as const;
    const bridged = {
      layout: 'bridged',
      ours: [...variantsOf('alone', [most]), ...variantsOf('defaults', [most])],
      lists: [],
      between: betweenIsolated.filter(({ port }) => port === ports.tuple),
    } as const;
    const figures: Figure[] = [];
    for (const each of [routed, bridged]) {
      await Scene.with(each.layout, async (scene) => {
        figures.push(...(await measureNode(scene, each, (message) => progress(`${each.layout}: ${message}`))));
      });
    }
    return figures;
  },
};

interface Measured {
  readonly layout: Layout;
  readonly ours: readonly Variant[];
  /** Rule lists for comparison. */
  readonly lists: readonly Variant[];
  readonly between: readonly Traffic[];
}

async function measureNode(
  scene: Scene,
  { layout, ours, lists, between }: Measured,
  progress: (message: string) => void,
): Promise<Figure[]> {
  progress('compiling');
  const all = [...ours, ...lists];
  const tables = await Tables.load(
    scene,
    all.map((variant) => ruleSetOf(variant, layout)),
  );
  await checkEnforcement(scene, tables, all);
  const measure = async (on: Way, each: Traffic, variants: readonly Variant[]): Promise<Map<Variant, number[]>> => {
    return interleave(
      variants,
      each.mode === 'bulk' ? bulkRounds : rounds,
      async (variant) => {
        await tables.choose(variant.name);
        const path = variant.kind === 'loopback' ? { from: on.from, to: on.from } : on;
        return scene.rate(path, each.mode, each.port, each.milliseconds);
      },
      (done, of) => progress(`${each.what}, ${done} of ${of} runs`),
    );
  };
  const figures: Figure[] = [];
  for (const each of between) {
    const others = each.port === ports.tuple ? [...lists, loopback] : [];
    const rates = await measure(way, each, [none, ...ours, ...others]);
    figures.push(...figuresOf('B1', layout, each, rates), ...flatness(layout, each, rates));
  }
  for (const each of betweenOpen) {
    const rates = await measure(openWay, each, [none, ...ours.filter(({ policies }) => policies === most)]);
    figures.push(...figuresOf('B2', layout, each, rates));
  }
  return figures;
}

function ruleSetOf({ name, policies, kind }: Variant, layout: Layout): RuleSet {
  const checks: Checks = kind === 'defaults' ? defaults : policiesAlone;
  const { snapshot, script } = compileNode(policyObjects(policies), checks, layout);
  const addresses = localPods().map(({ address }) => address);
  return { name: name!, script: kind === 'list' ? ruleList(snapshot, addresses) : script };
}

/** Verifies that the rules are active, because inactive rules would look fast. */
async function checkEnforcement(scene: Scene, tables: Tables, variants: readonly Variant[]): Promise<void> {
  for (const { name, title } of [none, ...variants]) {
    await tables.choose(name);
    for (const on of [way, openWay]) {
      const arrived = await scene.probe(on, ports.tuple, ports.forbidden);
      const isDenied = name !== undefined && on === way;
      if (arrived.allowed === 0 || arrived.forbidden > 0 === isDenied) {
        throw new Error(`${title}, ${on.from.device} to ${on.to.device}: arrived ${JSON.stringify(arrived)}`);
      }
    }
  }
}

function figuresOf(
  id: string,
  layout: Layout,
  { what, mode, bar }: Traffic,
  rates: ReadonlyMap<Variant, readonly number[]>,
): Figure[] {
  return [...rates.keys()]
    .filter((variant) => variant !== none)
    .map((variant) => ({
      id,
      what: `${layout}: ${what}, ${variant.title}`,
      unit: 'ratio',
      ...(bar && (variant.kind === 'alone' || variant.kind === 'defaults') && { bar }),
      sides: sidesOf(mode),
      ...(layout === 'routed' && id === 'B1' && variant.kind in lines && curveOf(what, variant)),
      runs: pairs(rates.get(variant)!, rates.get(none)!),
    }));
}

function sidesOf(mode: Mode): NonNullable<Figure['sides']> {
  return mode === 'bulk' || mode === 'stream' ? 'Mbit/s' : '1/s';
}

const lines = { alone: 'policies', defaults: 'with gate and guard', list: 'a list of rules' } as const;

function curveOf(what: string, { kind, policies }: Variant): Pick<Figure, 'curve'> {
  return { curve: { chart: what, line: lines[kind as keyof typeof lines], x: policies } };
}

/** Ratio of the most policies to the fewest, by round. */
function flatness(layout: Layout, { what, mode }: Traffic, rates: ReadonlyMap<Variant, readonly number[]>): Figure[] {
  const [fewest] = counts;
  return (['alone', 'defaults'] as const).flatMap((kind): Figure[] => {
    const [many, few] = [most, fewest].map((count) =>
      [...rates.keys()].find((variant) => variant.kind === kind && variant.policies === count),
    );
    if (!many || !few) return [];
    return [
      {
        id: 'B1',
        what: `${layout}: ${what}, flat: ${many.title}, over ${fewest}`,
        unit: 'ratio',
        bar: { atLeast: 0.95 },
        sides: sidesOf(mode),
        runs: pairs(rates.get(many)!, rates.get(few)!),
      },
    ];
  });
}
