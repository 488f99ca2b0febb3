import type { Figure } from '../figure.ts';
import { Random } from '../cluster/random.ts';
import { bareElement, bareElementApart } from './bare-element.ts';
import { inForceAt, type Way } from './in-force.ts';
import { latencyFigures, percentile, timeFigure, type Round } from './latency.ts';
import type { Members } from './members.ts';
import type { NodeUnderTest } from './node-under-test.ts';
import { again, relabelled, withAddresses, withoutLabels, type PodObject } from './pods.ts';

const ways: readonly Way[] = ['addition', 'removal'];

interface Kind {
  readonly name: string;
  /** Pods of a round. */
  readonly pods: readonly PodObject[];
  readonly withBars: boolean;
  /** The change. The bench reverts it afterwards. */
  readonly change: (pod: PodObject) => PodObject;
  /** Effects of the change, and of its reversal. */
  readonly ways: readonly [readonly Way[], readonly Way[]];
}

/** B3: one pod of another node changes, and a set of this node gets or loses one element. */
export async function measureMemberChanges(
  node: NodeUnderTest,
  { byLabel, byAddress, popular, others }: Members,
  rounds: number,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const leavesAndComes: Kind['ways'] = [['removal'], ['addition']];
  const kinds: readonly Kind[] = [
    { name: 'label', pods: byLabel, withBars: true, change: withoutLabels, ways: leavesAndComes },
    {
      name: 'address',
      pods: byAddress,
      withBars: true,
      change: (pod) => withAddresses(pod, []),
      ways: leavesAndComes,
    },
    {
      name: 'address replaced by another',
      pods: byAddress.slice(0, Math.ceil(byAddress.length / 4)),
      withBars: true,
      change: (pod) => withAddresses(pod, ['10.64.0.1']),
      ways: [ways, ways],
    },
    {
      name: 'label of a pod that nearly all classes name',
      pods: popular,
      withBars: false,
      change: withoutLabels,
      ways: leavesAndComes,
    },
  ];
  const measured = new Map(kinds.map((kind) => [kind, [] as Readonly<Record<Way, Round>>[]]));
  const unconcerned: number[] = [];
  const apart: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [kind, all] of measured) {
      progress(`round ${round + 1} of ${rounds}: ${kind.name}`);
      all.push(await measureKind(node, kind));
    }
    unconcerned.push(await measureUnconcerned(node, others.slice(0, byLabel.length)));
    apart.push(await measureApart(node));
  }
  node.assertQuiet();
  const figures = kinds.flatMap((kind) =>
    ways.flatMap((way) =>
      latencyFigures(
        'B3',
        `${kind.name}, ${way}`,
        measured.get(kind)!.map((each) => each[way]),
        kind.withBars,
      ),
    ),
  );
  const times = kinds.flatMap((kind) =>
    ways.map((way) => {
      const ours = measured.get(kind)!.map((each) => each[way].ours);
      return timeFigure('B3', `${kind.name}, ${way}, event seen → in force`, ours);
    }),
  );
  const bare = measured.get(kinds[0]!)!.map(({ addition }) => addition.baseline);
  const what = 'label that no policy asks for, event seen → nothing to do, p50';
  return [
    ...figures,
    ...times,
    timeFigure('B3', 'one element added through the same door', bare),
    timeFigure('B3', 'one element added by an nft that is started for it', apart),
    { id: 'B3', what, unit: 'ms', runs: unconcerned.map((value) => ({ value })) },
  ];
}

async function measureApart(node: NodeUnderTest): Promise<number[]> {
  const added: number[] = [];
  for (let i = 0; i < 20; i++) {
    added.push(await bareElementApart(node, 'addition'));
    await bareElementApart(node, 'removal');
  }
  return added;
}

/** Alternates changes and bare elements, so that load of the machine affects both alike. */
async function measureKind(node: NodeUnderTest, kind: Kind): Promise<Record<Way, Round>> {
  const measured: Record<Way, { ours: number[]; baseline: number[] }> = {
    addition: { ours: [], baseline: [] },
    removal: { ours: [], baseline: [] },
  };
  for (const pod of kind.pods) {
    for (const [object, does, bare] of [
      [kind.change(pod), kind.ways[0], 'addition'],
      [again(pod), kind.ways[1], 'removal'],
    ] as const) {
      const { seen, changes } = await node.change({ type: 'MODIFIED', object });
      for (const way of does) measured[way].ours.push(inForceAt(changes, way) - seen);
      measured[bare].baseline.push(await bareElement(node, bare));
    }
  }
  return measured;
}

async function measureUnconcerned(node: NodeUnderTest, pods: readonly PodObject[]): Promise<number> {
  const random = new Random(1);
  const taken: number[] = [];
  for (const pod of pods) {
    const { seen, done, changes } = await node.change({ type: 'MODIFIED', object: relabelled(pod, random) });
    if (changes.length > 0) throw new Error('a label that no policy asks for has changed the kernel');
    taken.push(done - seen);
  }
  return percentile(taken, 0.5);
}
