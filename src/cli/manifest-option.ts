import { Option } from 'commander';
import type { Command } from 'commander';

/** Adds `-f, --filename` as kubectl names it, and the hidden alias `--file`. */
export function withManifests(command: Command, summary: string): Command {
  const append = (value: string, earlier?: string[]): string[] => [...(earlier ?? []), value];
  const shown = new Option('-f, --filename <PATH>', summary).argParser(append);
  const alias = new Option('--file <PATH>').argParser(append).hideHelp();
  alias.attributeName = () => shown.attributeName();
  return command.addOption(shown).addOption(alias);
}
