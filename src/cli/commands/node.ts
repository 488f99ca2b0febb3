import { Command } from 'commander';
import { flowsCommand } from '../node/flows.ts';

/** What one node can tell of itself; other commands ask it through `pods/exec` of its agent. A line each. */
const subcommands: readonly (() => Command)[] = [flowsCommand];

const details = `
Examples:
  $ postern node flows -o json
  $ kubectl -n postern-system exec POD -- postern node flows`;

export function nodeCommand(): Command {
  const command = new Command('node')
    .description('What this node alone knows: run it on the node, or in the pod of its agent.')
    .addHelpText('after', details);
  for (const create of subcommands) command.addCommand(create());
  return command;
}
