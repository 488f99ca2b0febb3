import type { Exec } from './exec.ts';

export type IpObject = Readonly<Record<string, unknown>>;

/**
 * Runs ip(8) once for all commands. Each answer is a list of objects. The answers to `always` come first, one for each command. A command that
 * fails (no such device, no route) has no answer. Rejects with a message for an operator if ip cannot be used.
 */
export async function askIp(
  exec: Exec,
  { family, always = [], commands = [] }: IpQuestions,
  signal: AbortSignal,
): Promise<IpObject[][]> {
  if (always.length + commands.length === 0) return [];
  const input = [...always, ...commands].map((command) => `${command}\n`).join('');
  // With -force, a command that fails does not end the batch. ip prints each answer as an array on its own line.
  const args = ['-force', '-json', '-details', ...(family ? [family] : []), '-batch', '-'];
  const { exitCode, stdout, stderr } = await exec('ip', args, { signal, input });
  const answers = stdout.split('\n').filter((line) => line.trim() !== '');
  if (exitCode === undefined || answers.length < always.length) {
    throw new Error(`ip cannot be used: install iproute2 (${stderr.trim().split('\n')[0]})`);
  }
  return answers.map(parseAnswer);
}

export interface IpQuestions {
  /** `-B`: the bridge family. */
  readonly family?: '-4' | '-6' | '-B';
  /** Commands that ip always answers, if only with an empty list. */
  readonly always?: readonly string[];
  readonly commands?: readonly string[];
}

function parseAnswer(line: string): IpObject[] {
  const parsed: unknown = JSON.parse(line);
  return Array.isArray(parsed) ? parsed.filter((each) => typeof each === 'object' && each !== null) : [];
}
