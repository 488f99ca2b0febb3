import { Command } from 'commander';

export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /**
   * Loads the command. It sets `process.exitCode` if it is not 0, and rejects with an error that has a code.
   * @param words what follows the command's name, without options
   */
  readonly load: (words: readonly string[]) => Promise<Command>;
}

/**
 * Adds the commands to their parent. It loads only the command that the words name; the others are a name and a summary. So the agent does not load the lab, and a program
 * that runs every few seconds on a node starts fast.
 */
export async function addCommands(
  parent: Command,
  entries: readonly CommandEntry[],
  words: readonly string[],
): Promise<Command> {
  const [wanted, ...rest] = words[0] === 'help' ? words.slice(1) : words;
  for (const { name, summary, load } of entries) {
    const command = name === wanted ? await load(rest) : new Command(name);
    parent.addCommand(command.summary(summary));
  }
  return parent;
}
