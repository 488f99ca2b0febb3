import { Command } from 'commander';
import { nodeDoctorCommand } from '../doctor/node-doctor.ts';
import { auditCommand } from '../node/audit.ts';
import { denialsCommand } from '../node/denials.ts';
import { flowsCommand } from '../node/flows.ts';
import { historyCommand } from '../node/history.ts';
import { policiesCommand } from '../node/policies.ts';
import { traceCommand } from '../node/trace.ts';

/** Commands about one node. Other commands run them through `pods/exec` in its agent. */
const subcommands: readonly (() => Command)[] = [
  auditCommand,
  denialsCommand,
  nodeDoctorCommand,
  flowsCommand,
  historyCommand,
  policiesCommand,
  traceCommand,
];

const details = `
Examples:
  $ postern node doctor
  $ postern node flows -o json
  $ postern node trace 10.244.1.7 10.244.2.9 TCP/8080
  $ kubectl -n postern-system exec POD -- postern node flows`;

export function nodeCommand(): Command {
  const command = new Command('node')
    .description('Shows the state of this node. Run it on the node, or in its agent pod.')
    .addHelpText('after', details);
  for (const create of subcommands) command.addCommand(create());
  return command;
}
