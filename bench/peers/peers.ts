import type { Bench, Figure } from '../figure.ts';
import { interleave, pairs } from '../measure.ts';
import { policyObjects, ports } from '../packets/policies.ts';
import { compileNode, defaults, policiesAlone, withoutFastPath } from '../packets/rule-sets.ts';
import { Scene, way } from '../packets/scene.ts';
import { Tables, type RuleSet } from '../packets/tables.ts';
import { checkEnforcement } from '../packets/traffic.ts';
import { betweenIsolated } from '../packets/traffic-kinds.ts';
import { processorTime } from '../processor.ts';
import { calico } from './calico.ts';
import { countObjects, objectKinds } from './count-objects.ts';
import { kubeRouter } from './kube-router.ts';
import { peerNode, scriptOf, type Peer } from './peer.ts';

const policies = 1_000;
const rounds = 17;
const programmings = 9;
const modes: readonly string[] = ['answered', 'udp', 'connect'];

/** One bench for each peer: its rules beside ours, for the same policies. */
export const besidePeers: readonly Bench[] = [kubeRouter, calico].map((peer) => ({
  name: peer.name,
  summary: `our rules and the chains of ${peer.name}, written by us for the same ${policies.toLocaleString('en')} policies (only when named)`,
  byDefault: false,
  async run(progress) {
    const figures: Figure[] = [];
    await Scene.with('routed', 'ipv4', async (scene) => {
      figures.push(...(await measure(scene, peer, progress)));
    });
    return figures;
  },
}));

interface Variant extends RuleSet {
  readonly title: string;
}

async function measure(scene: Scene, peer: Peer, progress: (message: string) => void): Promise<Figure[]> {
  progress('compiling');
  const objects = policyObjects(policies);
  const of = (checks: typeof defaults): string => compileNode(objects, checks, 'routed').script;
  const ours: Variant = { name: 'defaults', title: 'ours, with gate, guard and fast path', script: of(defaults) };
  const theirs: Variant = {
    name: peer.name,
    title: `the chains of ${peer.name}`,
    script: scriptOf(peer, peerNode(objects)),
  };
  const all: readonly Variant[] = [
    { name: 'alone', title: 'ours, policies alone', script: of(policiesAlone) },
    ours,
    { name: 'slow-path', title: 'ours, with gate and guard', script: of(withoutFastPath) },
    theirs,
  ];
  return [
    ...(await comparePackets(scene, peer, all, progress)),
    ...(await compareObjects(scene, peer, ours, theirs)),
    await compareProgramming(scene, peer, ours, theirs, progress),
  ];
}

/** What is left of the path on which connections are tracked and nothing is judged. */
async function comparePackets(
  scene: Scene,
  { name: id }: Peer,
  all: readonly Variant[],
  progress: (message: string) => void,
): Promise<Figure[]> {
  const tables = await Tables.load(scene, all);
  await checkEnforcement(scene, tables, all);
  const figures: Figure[] = [];
  for (const { what, mode, port, milliseconds } of betweenIsolated) {
    if (port !== ports.tuple || !modes.includes(mode)) continue;
    const rates = await interleave(
      [undefined, ...all],
      rounds,
      async (variant) => {
        await tables.choose(...(variant ? [variant.name] : []));
        return scene.rate(way, mode, port, milliseconds);
      },
      (done, count) => progress(`${what}, ${done} of ${count} runs`),
    );
    for (const variant of all) {
      const runs = pairs(rates.get(variant)!, rates.get(undefined)!);
      figures.push({ id, what: `${what}: ${variant.title}`, unit: 'ratio', sides: '1/s', runs });
    }
  }
  return figures;
}

/** Counted in the kernel. */
async function compareObjects(scene: Scene, { name: id }: Peer, ours: Variant, theirs: Variant): Promise<Figure[]> {
  const counts = [];
  for (const { script } of [theirs, ours]) {
    await scene.nft(`flush ruleset\n${script}`);
    counts.push(countObjects(await scene.listRules()));
  }
  const [peer, own] = counts as [Record<string, number>, Record<string, number>];
  return objectKinds.map((kind) => ({
    id,
    what: `${kind}: ${theirs.title}, over ours`,
    unit: 'ratio',
    sides: 'objects',
    runs: pairs([peer[kind]!], [own[kind]!]),
  }));
}

/** Processor time of one nft that programs all rules in one transaction, in a kernel without rules. */
async function compareProgramming(
  scene: Scene,
  { name: id }: Peer,
  ours: Variant,
  theirs: Variant,
  progress: (message: string) => void,
): Promise<Figure> {
  const times = await interleave(
    [ours, theirs],
    programmings,
    async ({ script }) => {
      await scene.nft('flush ruleset');
      const before = processorTime(process.pid).children;
      await scene.nft(script);
      return processorTime(process.pid).children - before;
    },
    (done, of) => progress(`first programming, ${done} of ${of} runs`),
  );
  const what = `first programming, by processor time of nft: ${theirs.title}, over ours`;
  return { id, what, unit: 'ratio', sides: 'ms', runs: pairs(times.get(theirs)!, times.get(ours)!) };
}
