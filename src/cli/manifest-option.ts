import { Option } from 'commander';
import type { Command } from 'commander';

/** Collects the values of an option that may be repeated. */
export function append(value: string, earlier?: string[]): string[] {
  return [...(earlier ?? []), value];
}

/** Adds `-f, --filename` as kubectl names it, and the hidden alias `--file`. */
export function withManifests(command: Command, summary: string): Command {
  const shown = new Option('-f, --filename <PATH>', summary).argParser(append);
  const alias = new Option('--file <PATH>').argParser(append).hideHelp();
  alias.attributeName = () => shown.attributeName();
  return command.addOption(shown).addOption(alias);
}
