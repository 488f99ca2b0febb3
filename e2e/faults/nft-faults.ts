import { block, policy, port } from '../../test/kernel/policies.ts';
import type { NftMode } from './broken-nft.ts';
import type { Fault } from './fault.ts';
import { nodes, type Scene } from './scene.ts';

const errors = 'postern_apply_errors_total';
const refusedAddress = '10.66.6.6';

/** Breaks nft during a change, until every agent has failed several times. */
async function breakNft(scene: Scene, mode: NftMode): Promise<number> {
  const before = await scene.metric(errors);
  await scene.setNft(mode);
  await scene.change();
  await scene.grown(errors, before, 3);
  const end = performance.now();
  await scene.setNft('ok');
  return scene.right(end);
}

const refusedPolicy = policy('x', 'refused', {
  ingress: [{ from: [block(`${refusedAddress}/32`)], ports: [port('TCP/80')] }],
});

export const nftFaults: readonly Fault[] = [
  {
    name: 'nft-fails',
    title: '`nft` fails for a while',
    tries: 4,
    run: (scene) => breakNft(scene, 'fail'),
  },
  {
    name: 'nft-crashes',
    title: '`nft` crashes for a while, before or after its work',
    tries: 4,
    run: (scene, attempt) => breakNft(scene, attempt % 2 === 0 ? 'crash-before' : 'crash-after'),
  },
  {
    name: 'nft-hangs',
    title: '`nft` hangs until its time-out of 60 s',
    tries: 1,
    slow: true,
    async run(scene) {
      const since = performance.now();
      await scene.setNft('hang');
      for (const node of nodes) await scene.nft(node).forgetRuns();
      await scene.change();
      // The second run is the listing after a write that timed out.
      for (const node of nodes) await scene.nft(node).hasRun(2);
      await scene.setNft('ok');
      return scene.right(since, 120_000);
    },
  },
  {
    name: 'policy-refused',
    title: 'The kernel refuses one policy, beside a change of others',
    tries: 4,
    async run(scene) {
      await scene.setNft('refuse', refusedAddress);
      const since = performance.now();
      await scene.change(refusedPolicy);
      const time = await scene.right(since);
      await scene.grown('postern_refused_policies', [0, 0]);
      await scene.setNft('ok');
      scene.lab.store.delete('networkpolicies', { namespace: 'x', name: 'refused' });
      await scene.lab.settle();
      return time;
    },
  },
];
