import { Command, CommanderError } from 'commander';
import { addCommands } from './command-entry.ts';
import { commands } from './commands.ts';
import { exitCode } from './exit-code.ts';
import { printable } from '../lib/printable.ts';
import { readVersion } from '../config/version.ts';

const examples = `
Examples:
  $ postern lab run -f examples/             try policies on a cluster of network namespaces
  $ postern explain -f policies/ shop/web shop/api TCP/8080
  $ postern test -f policies/ tests.yaml     check which connections must be allowed, and which denied
  $ postern agent --node-name "$(hostname)"  enforce the policies of the cluster on this node

Exit codes: 0 success; 1 a finding (denied, or not as expected); 2 wrong usage, or a missing requirement; 3 (explain) a kernel disagrees.`;

/** Runs one command line, without the names of node and program. Resolves to the exit code; never rejects. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args);
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : exitCode.fine;
  } catch (error) {
    // Commander has already printed the help, the version or the error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.fine : exitCode.usage;
    // The message may quote an API server, a container or a file.
    const lines = describe(error).split('\n');
    process.stderr.write(`postern: ${lines.map(printable).join('\n')}\n`);
    return exitCode.usage;
  }
}

async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('postern')
    .description('Kubernetes NetworkPolicy, compiled to nftables: enforced, explained, and tried without a cluster.')
    .version(readVersion())
    .addHelpText('after', examples)
    .showHelpAfterError('(run with --help for the flags)')
    // Flags after the name of a subcommand belong to it: "explain" and "explain pod" have flags of the same name.
    .enablePositionalOptions()
    .exitOverride();
  const words = args.filter((arg) => !arg.startsWith('-'));
  await addCommands(program, commands, words);
  for (const command of program.commands) inherit(command, program);
  return program;
}

function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const each of command.commands) inherit(each, command);
}

/** Prints only the message of an expected error, which has a code. Any other error is a bug and needs its stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return typeof (error as { code?: unknown }).code === 'string' ? error.message : (error.stack ?? error.message);
}
