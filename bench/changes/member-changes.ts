import type { Figure } from '../figure.ts';
import { bareElement, bareElementByNft } from './bare-element.ts';
import { inForceAt, type Way } from './in-force.ts';
import { barsOfChanges, latencyFigures, timeFigures, type LatencyBars, type Round } from './latency.ts';
import type { Members } from './members.ts';
import type { MeasuredNode } from './measured-node.ts';
import { again, withAddresses, withoutLabels, type PodObject } from './pods.ts';

const ways: readonly Way[] = ['addition', 'removal'];
const elsewhere = ['10.64.0.1', 'fd00:10:64::1'];

interface Kind {
  readonly name: string;
  /** Pods of a round. */
  readonly pods: readonly PodObject[];
  readonly bars: LatencyBars;
  /** The change. The bench reverts it afterwards. */
  readonly change: (pod: PodObject) => PodObject;
  /** Effects of the change, and of its reversal. */
  readonly ways: readonly [readonly Way[], readonly Way[]];
}

export interface Rounds {
  readonly rounds: number;
  /** After so many changed pods, the bench checks for other commits of the agent. If there are some, it changes these pods again. */
  readonly together: number;
}

/** B3: one pod of another node changes, and sets of this node get or lose its element. */
export async function measureMemberChanges(
  node: MeasuredNode,
  { byLabel, byAddress, popular }: Members,
  { rounds, together }: Rounds,
  on: string,
  progress: (message: string) => void,
): Promise<Figure[]> {
  const leavesAndComes: Kind['ways'] = [['removal'], ['addition']];
  const kinds: readonly Kind[] = [
    { name: 'label', pods: byLabel, bars: barsOfChanges, change: withoutLabels, ways: leavesAndComes },
    {
      name: 'address',
      pods: byAddress,
      bars: barsOfChanges,
      change: (pod) => withAddresses(pod, []),
      ways: leavesAndComes,
    },
    {
      name: 'address replaced by another',
      pods: byAddress.slice(0, Math.ceil(byAddress.length / 4)),
      bars: barsOfChanges,
      change: (pod) => withAddresses(pod, elsewhere.slice(0, pod.status.podIPs.length)),
      ways: [ways, ways],
    },
    {
      name: 'label of a pod that nearly all classes name',
      pods: popular,
      bars: { p50: 3 },
      change: withoutLabels,
      ways: leavesAndComes,
    },
  ];
  const measured = new Map(kinds.map((kind) => [kind, [] as Readonly<Record<Way, Round>>[]]));
  const byNft: number[][] = [];
  const apart: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [kind, all] of measured) {
      progress(`round ${round + 1} of ${rounds}: ${kind.name}`);
      all.push(await measureRound(node, kind, together));
    }
    byNft.push(await measureByNft(node, false));
    apart.push(await measureByNft(node, true));
  }
  const figures = kinds.flatMap((kind) =>
    ways.flatMap((way) => {
      const all = measured.get(kind)!.map((each) => each[way]);
      return latencyFigures('B3', `${on}: ${kind.name}, ${way}`, all, kind.bars);
    }),
  );
  const times = kinds.flatMap((kind) =>
    ways.flatMap((way) => {
      const ours = measured.get(kind)!.map((each) => each[way].ours);
      return timeFigures('B3', `${on}: ${kind.name}, ${way}, event sent → in force`, ours);
    }),
  );
  const bare = measured.get(kinds[0]!)!.map(({ addition }) => addition.baseline);
  return [
    ...figures,
    ...times,
    ...timeFigures('B3', `${on}: one element added by netlink`, bare),
    ...timeFigures('B3', `${on}: one element added by the nft that stays`, byNft),
    ...timeFigures('B3', `${on}: one element added by an nft that is started for it`, apart),
  ];
}

async function measureByNft({ twin }: MeasuredNode, apart: boolean): Promise<number[]> {
  const added: number[] = [];
  for (let i = 0; i < 20; i++) {
    added.push(await bareElementByNft(twin, 'addition', { apart }));
    await bareElementByNft(twin, 'removal', { apart });
  }
  return added;
}

async function measureRound(node: MeasuredNode, kind: Kind, together: number): Promise<Record<Way, Round>> {
  const round: Record<Way, Measured> = { addition: { ours: [], baseline: [] }, removal: { ours: [], baseline: [] } };
  for (let start = 0; start < kind.pods.length; start += together) {
    const pods = kind.pods.slice(start, start + together);
    const undo = (): void => {
      for (const pod of pods) node.tell('MODIFIED', again(pod));
    };
    const part = await node.undisturbed(() => measurePods(node, kind, pods), undo);
    for (const way of ways) {
      round[way].ours.push(...part[way].ours);
      round[way].baseline.push(...part[way].baseline);
    }
  }
  return round;
}

interface Measured {
  readonly ours: number[];
  readonly baseline: number[];
}

/** Alternates changes and bare elements, so that load of the machine affects both alike. */
async function measurePods(node: MeasuredNode, kind: Kind, pods: readonly PodObject[]): Promise<Record<Way, Measured>> {
  const measured: Record<Way, Measured> = { addition: { ours: [], baseline: [] }, removal: { ours: [], baseline: [] } };
  for (const pod of pods) {
    for (const [object, does, bare] of [
      [kind.change(pod), kind.ways[0], 'addition'],
      [again(pod), kind.ways[1], 'removal'],
    ] as const) {
      const { sent, stages } = await node.change('MODIFIED', object).catch(async (error: unknown) => {
        // The next try adds the bare element again.
        if (bare === 'removal') await bareElement(node.twin, bare);
        throw error;
      });
      for (const way of does) measured[way].ours.push(inForceAt(stages, way) - sent);
      measured[bare].baseline.push(await bareElement(node.twin, bare));
    }
  }
  return measured;
}
