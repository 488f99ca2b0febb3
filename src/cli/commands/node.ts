import { Command } from 'commander';
import { addCommands, type CommandEntry } from '../command-entry.ts';

/** Commands about one node. Other commands run them through `pods/exec` in its agent. */
const subcommands: readonly CommandEntry[] = [
  {
    name: 'audit',
    summary: 'list connections that policies in audit would deny',
    load: async () => (await import('../node/audit.ts')).auditCommand(),
  },
  {
    name: 'denials',
    summary: 'list connections that its kernel denied in the last minute',
    load: async () => (await import('../node/denials.ts')).denialsCommand(),
  },
  {
    name: 'doctor',
    summary: 'find problems that stop policies from working',
    load: async () => (await import('../doctor/node-doctor.ts')).nodeDoctorCommand(),
  },
  {
    name: 'flows',
    summary: 'list the flows that its kernel tracks',
    load: async () => (await import('../node/flows.ts')).flowsCommand(),
  },
  {
    name: 'history',
    summary: 'list who talked to whom in the last hour',
    load: async () => (await import('../node/history.ts')).historyCommand(),
  },
  {
    name: 'policies',
    summary: 'list the policies that its kernel holds, with their versions',
    load: async () => (await import('../node/policies.ts')).policiesCommand(),
  },
  {
    name: 'trace',
    summary: 'show what its kernel does with a connection',
    load: async () => (await import('../node/trace.ts')).traceCommand(),
  },
];

const details = `
Examples:
  $ postern node doctor
  $ postern node flows -o json
  $ postern node trace 10.244.1.7 10.244.2.9 TCP/8080
  $ kubectl -n postern-system exec POD -- postern node flows`;

export function nodeCommand(words: readonly string[]): Promise<Command> {
  const command = new Command('node')
    .description('Shows the state of this node. Run it on the node, or in its agent pod.')
    .addHelpText('after', details);
  return addCommands(command, subcommands, words);
}
