import type { Exec } from './exec.ts';

export type IpObject = Readonly<Record<string, unknown>>;

/**
 * One run of ip(8) for all commands; an answer is a list of objects. Those to `always` come first, one each; a command that cannot be
 * answered (no such device, no route) has none. Rejects with a text for the person who can change it.
 */
export async function askIp(
  exec: Exec,
  { family, always = [], commands = [] }: IpQuestions,
  signal: AbortSignal,
): Promise<IpObject[][]> {
  if (always.length + commands.length === 0) return [];
  const input = [...always, ...commands].map((command) => `${command}\n`).join('');
  // -force: a command that fails must not end the batch. Each answer is an array on a line of its own.
  const args = ['-force', '-json', '-details', ...(family ? [family] : []), '-batch', '-'];
  const { exitCode, stdout, stderr } = await exec('ip', args, { signal, input });
  const answers = stdout.split('\n').filter((line) => line.trim() !== '');
  if (exitCode === undefined || answers.length < always.length) {
    throw new Error(`ip cannot be used: install iproute2 (${stderr.trim().split('\n')[0]})`);
  }
  return answers.map(parseAnswer);
}

export interface IpQuestions {
  /** `-B`: what bridges know. */
  readonly family?: '-4' | '-6' | '-B';
  /** What any ip that can be used answers, if only with an empty list. */
  readonly always?: readonly string[];
  readonly commands?: readonly string[];
}

function parseAnswer(line: string): IpObject[] {
  const parsed: unknown = JSON.parse(line);
  return Array.isArray(parsed) ? parsed.filter((each) => typeof each === 'object' && each !== null) : [];
}
