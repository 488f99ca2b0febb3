import { Option } from 'commander';
import type { Command } from 'commander';

/** Adds `-f`, into `filename`: kubectl's long name for it, and the one that many type. */
export function withManifests(command: Command, summary: string): Command {
  const append = (value: string, earlier?: string[]): string[] => [...(earlier ?? []), value];
  const shown = new Option('-f, --filename <PATH>', summary).argParser(append);
  const alias = new Option('--file <PATH>').argParser(append).hideHelp();
  alias.attributeName = () => shown.attributeName();
  return command.addOption(shown).addOption(alias);
}
