import type { Family } from '../../src/model/address.ts';
import type { Bar, Bench, Figure } from '../figure.ts';
import { interleave, pairs } from '../measure.ts';
import { counts, localPods, policyObjects, ports } from './policies.ts';
import { ruleList } from './rule-list.ts';
import { compileNode, defaults, policiesAlone, type Checks } from './rule-sets.ts';
import { openWay, remoteWay, Scene, serviceWay, way, type Layout, type Way } from './scene.ts';
import { serviceRules } from './service-rules.ts';
import { Tables, type RuleSet } from './tables.ts';
import type { Mode } from './traffic-program.ts';

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
  /** If not between the two isolated pods, or the two that no policy selects. */
  readonly on?: Way;
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

/** Other ways, with the most policies only. */
const flows: Traffic = {
  ...answered,
  what: 'small UDP of 10,000 answered flows in turn, exact tuple',
  mode: 'flows',
  port: ports.tuple,
  bar: { atLeast: 0.85 },
};
const oneEndLocal: readonly Traffic[] = [
  { ...stream, what: 'to a pod of another node: bulk TCP, by processor time', on: remoteWay },
  { ...connect, what: 'to a pod of another node: new TCP connections', on: remoteWay, bar: { atLeast: 0.85 } },
  {
    ...answered,
    what: 'to a pod of another node: small UDP of an answered flow, exact tuple',
    on: remoteWay,
    port: ports.tuple,
    bar: { atLeast: 0.85 },
  },
];
/** The baseline has the Services too. */
const byService: readonly Traffic[] = [
  { ...connect, what: 'by one of 1,000 Services: new TCP connections', on: serviceWay, bar: { atLeast: 0.85 } },
  {
    ...answered,
    what: 'by one of 1,000 Services: small UDP of an answered flow, exact tuple',
    on: serviceWay,
    port: ports.tuple,
    bar: { atLeast: 0.85 },
  },
];
const services: RuleSet = {
  name: 'services',
  script: serviceRules([
    { address: serviceWay.service!, endpoint: way.to.address, port: ports.tuple },
    ...Array.from({ length: 999 }, (_, i) => ({
      address: `10.97.${i >> 8}.${i & 255}`,
      endpoint: `10.100.${i >> 8}.${i & 255}`,
      port: 80,
    })),
  ]),
};

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
    const all = [...variantsOf('alone', counts), ...variantsOf('defaults', counts)];
    const large = [...variantsOf('alone', [most]), ...variantsOf('defaults', [most])];
    const tuples = betweenIsolated.filter(({ port }) => port === ports.tuple);
    const nodes: readonly Measured[] = [
      {
        layout: 'routed',
        family: 'ipv4',
        ours: all,
        lists: variantsOf('list', counts),
        between: betweenIsolated,
        others: [flows, ...oneEndLocal, ...byService],
      },
      { layout: 'bridged', family: 'ipv4', ours: large, lists: [], between: tuples, others: [flows, ...oneEndLocal] },
      { layout: 'routed', family: 'ipv6', ours: large, lists: [], between: betweenIsolated, others: [] },
      { layout: 'bridged', family: 'ipv6', ours: large, lists: [], between: tuples, others: [] },
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
}

async function measureNode(scene: Scene, node: Measured, progress: (message: string) => void): Promise<Figure[]> {
  const { layout, ours, lists, between, others } = node;
  progress('compiling');
  const all = [...ours, ...lists];
  const tables = await Tables.load(scene, [services, ...all.map((variant) => ruleSetOf(variant, node))]);
  await checkEnforcement(scene, tables, all);
  const measure = async (on: Way, each: Traffic, variants: readonly Variant[]): Promise<Map<Variant, number[]>> => {
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
    const hasCurves = layout === 'routed' && node.family === 'ipv4';
    figures.push(...figuresOf('B1', name, each, rates, hasCurves), ...flatness(name, each, rates));
  }
  for (const each of others) {
    figures.push(...figuresOf('B1', name, each, await measure(each.on ?? way, each, [none, ...mostPolicies])));
  }
  for (const each of betweenOpen) {
    figures.push(...figuresOf('B2', name, each, await measure(openWay, each, [none, ...mostPolicies])));
  }
  return figures;
}

function ruleSetOf({ name, policies, kind }: Variant, { layout, family }: Measured): RuleSet {
  const checks: Checks = kind === 'defaults' ? defaults : policiesAlone;
  const { snapshot, script } = compileNode(policyObjects(policies), checks, layout, family);
  const addresses = localPods().map(({ address }) => address);
  return { name: name!, script: kind === 'list' ? ruleList(snapshot, addresses) : script };
}

/** Verifies that the rules are active, because inactive rules would look fast. */
async function checkEnforcement(scene: Scene, tables: Tables, variants: readonly Variant[]): Promise<void> {
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

function figuresOf(
  id: string,
  node: string,
  { what, mode, bar }: Traffic,
  rates: ReadonlyMap<Variant, readonly number[]>,
  hasCurves = false,
): Figure[] {
  return [...rates.keys()]
    .filter((variant) => variant !== none)
    .map((variant) => ({
      id,
      what: `${node}: ${what}, ${variant.title}`,
      unit: 'ratio',
      ...(bar && (variant.kind === 'alone' || variant.kind === 'defaults') && { bar }),
      sides: sidesOf(mode),
      ...(hasCurves && variant.kind in lines && curveOf(what, variant)),
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
function flatness(node: string, { what, mode }: Traffic, rates: ReadonlyMap<Variant, readonly number[]>): Figure[] {
  const [fewest] = counts;
  return (['alone', 'defaults'] as const).flatMap((kind): Figure[] => {
    const [many, few] = [most, fewest].map((count) =>
      [...rates.keys()].find((variant) => variant.kind === kind && variant.policies === count),
    );
    if (!many || !few) return [];
    return [
      {
        id: 'B1',
        what: `${node}: ${what}, flat: ${many.title}, over ${fewest}`,
        unit: 'ratio',
        bar: { atLeast: 0.95 },
        sides: sidesOf(mode),
        runs: pairs(rates.get(many)!, rates.get(few)!),
      },
    ];
  });
}
