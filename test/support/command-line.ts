import type { Command } from 'commander';

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

export interface CommandAnswer {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
}

/** Runs a command line and returns exit code, stdout, and the notes on stderr. */
export async function runCommandLine(
  create: (streams: Streams) => Command,
  args: readonly string[],
): Promise<CommandAnswer> {
  const written = { out: '', notes: '' };
  const before = process.exitCode;
  const stream = (name: 'out' | 'notes') => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const command = create({ out: stream('out'), notes: stream('notes') });
  for (const each of [command, ...command.commands]) {
    each.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  }
  try {
    await command.parseAsync(args, { from: 'user' });
    return { code: process.exitCode as number, ...written };
  } finally {
    process.exitCode = before;
  }
}
