import { Command } from 'commander';
import { flowsCommand } from '../node/flows.ts';

/** What one node can tell of itself; other commands ask it through `pods/exec` of its agent. A line each. */
const subcommands: readonly (() => Command)[] = [flowsCommand];

export function nodeCommand(): Command {
  const command = new Command('node').description(
    'What this node alone knows: run it on the node, or in the pod of its agent.',
  );
  for (const create of subcommands) command.addCommand(create());
  return command;
}
