import { Command } from 'commander';
import { createNft } from '../../apply/nft.ts';
import { table } from '../../nftables/ruleset.ts';

const details = `
Stop the agent first, or it writes them again. Connections are not cut; nothing isolates a pod any more.

Example:
  $ postern uninstall`;

export function uninstallCommand(): Command {
  return new Command('uninstall')
    .description(`Deletes the table "${table.family} ${table.name}" from the kernel of this node, and nothing else.`)
    .addHelpText('after', details)
    .action(async () => {
      const { signal } = new AbortController();
      const nft = createNft();
      const listing = await nft.list(signal);
      const name = `table ${table.family} ${table.name}`;
      if (listing === undefined) {
        process.stdout.write(`there is no ${name} on this node\n`);
        return;
      }
      await nft.run(`delete ${name}\n`, { check: false, signal });
      process.stdout.write(`deleted ${name}: ${countObjects(listing)}\n`);
    });
}

/** `3 chains, 12 sets, 4 maps` */
function countObjects(listing: string): string {
  const { nftables } = JSON.parse(listing) as { nftables: readonly object[] };
  const count = (kind: string): number => nftables.filter((each) => kind in each).length;
  return `${count('chain')} chains, ${count('set')} sets, ${count('map')} maps`;
}
