import { execa, ExecaError } from 'execa';
import { LabError } from './error.ts';

export interface CommandOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program and returns its stdout. Rejects with LabError `command` and its stderr. */
export async function runCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  try {
    const { stdout } = await execa(file, args, {
      input: options.input ?? '',
      ...(options.env && { env: options.env }),
    });
    return stdout;
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    const said = (error.stderr || error.stdout || error.shortMessage).trim();
    throw new LabError('command', `${file} ${args.join(' ')}: ${said}`, { cause: error });
  }
}
