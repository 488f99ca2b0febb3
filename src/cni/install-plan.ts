import { compareText } from '../lib/sort.ts';
import { listOfOne, mentionsPlugin, withoutPlugin, withPlugin } from './list-text.ts';
import { pluginType, type PluginEntry } from './plugin-entry.ts';

export type Place = 'conf' | 'bin';

/** A file of the directory of network configurations. */
export interface ConfFile {
  /** `undefined` if it is not a regular file of a usual size. */
  readonly text: string | undefined;
  readonly mode: number;
  /** Differs after each change of the file. */
  readonly version: string;
}

/** What is in both directories. */
export interface HostState {
  readonly conf: ReadonlyMap<string, ConfFile>;
  /** Names in the directory of programs that belong to us. */
  readonly bin: ReadonlySet<string>;
  /** Whether the installed program has the content that is to be installed. */
  readonly isProgramCurrent: boolean;
}

/** One operation on the file system. A process may be killed after each, and inside of `create`. */
export type FileOperation =
  /** Writes a new file. Without `text`: the program. */
  | {
      readonly op: 'create';
      readonly place: Place;
      readonly name: string;
      readonly text?: string;
      readonly mode: number;
    }
  /** Writes the content of a file to the disk. */
  | { readonly op: 'sync'; readonly place: Place; readonly name: string }
  /** Fails if another program has changed a file since: the moved one (`moves`), or the replaced one (`replaces`; `null`: there is none). */
  | {
      readonly op: 'rename';
      readonly place: Place;
      readonly from: string;
      readonly to: string;
      readonly moves?: string;
      readonly replaces?: string | null;
    }
  | { readonly op: 'remove'; readonly place: Place; readonly name: string }
  /** Writes the names of a directory to the disk. */
  | { readonly op: 'sync-directory'; readonly place: Place };

export interface InstallPlan {
  readonly operations: readonly FileOperation[];
  /** The file that has the plugin afterwards. */
  readonly file?: string;
  /** Why the plugin is not installed, or not removed everywhere. */
  readonly problem?: string;
}

/** libcni reads files with these names (`ConfFiles` in libcni/conf.go); the runtime takes the first by name. */
const isConfName = (name: string): boolean => /\.(conf|conflist|json)$/.test(name);
const temporary = (name: string): string => `.${name}.postern-tmp`;
const isTemporary = (name: string): boolean => /^\..*\.postern-tmp$/.test(name);
/** A configuration of one plugin, while a list stands for it. */
const saved = (name: string): string => `${name}.postern-saved`;
const isSaved = (name: string): boolean => name.endsWith('.postern-saved');
const programMode = 0o755;

/**
 * Adds the plugin to the configuration that the runtime uses, and to no other. Whatever operation is the last one, the runtime finds a complete
 * configuration, all programs that it names, and the same other plugins as before. Another plan then goes on.
 */
export function planInstall(state: HostState, entry: PluginEntry): InstallPlan {
  const program = state.isProgramCurrent ? [] : replace('bin', pluginType, { mode: programMode });
  const first = namesOf(state)[0];
  if (first === undefined)
    return { operations: [...leftovers(state), ...program], problem: 'there is no network configuration' };
  const added = addTo(state, first, entry);
  if ('problem' in added) {
    return { operations: leftovers(state), problem: `${first} ${added.problem}` };
  }
  const others = namesOf(state).filter((name) => name !== first && name !== added.file);
  const removed = others.map((name) => removeFrom(state, name));
  // The program comes first: a runtime that reads the new list runs it.
  const changes = [...program, ...added.operations, ...removed.flatMap((each) => each.operations)];
  const { file } = added;
  return { operations: [...leftovers(state), ...changes, ...forgotten(state, changes, file)], file };
}

/**
 * Removes the plugin from all configurations first, and then the program.
 * @param keepProgram a runtime may still run it, for pods that were started with it
 */
export function planRemoval(state: HostState, keepProgram: boolean): InstallPlan {
  const removed = namesOf(state).map((name) => removeFrom(state, name));
  const problems = removed.flatMap(({ problem }) => problem ?? []);
  const hasProgram = state.bin.has(pluginType);
  const canRemove = hasProgram && !keepProgram && problems.length === 0;
  const program = canRemove ? [remove('bin', pluginType), syncDirectory('bin')] : [];
  const changes = removed.flatMap((each) => each.operations);
  const operations = [...leftovers(state), ...changes, ...forgotten(state, changes), ...program];
  return { operations, ...(problems.length > 0 && { problem: problems.join('; ') }) };
}

function namesOf({ conf }: HostState): string[] {
  return [...conf.keys()].filter(isConfName).sort(compareText);
}

/** Files that a killed process has left. */
function leftovers({ conf, bin }: HostState): FileOperation[] {
  const of = (place: Place, names: Iterable<string>) =>
    [...names]
      .filter(isTemporary)
      .sort(compareText)
      .map((name) => remove(place, name));
  return [...of('conf', conf.keys()), ...of('bin', bin)];
}

function addTo(
  { conf }: HostState,
  name: string,
  entry: PluginEntry,
): { readonly operations: readonly FileOperation[]; readonly file: string } | { readonly problem: string } {
  const file = conf.get(name)!;
  if (file.text === undefined) return { problem: 'is not a regular file' };
  if (name.endsWith('.conflist')) {
    const edited = withPlugin(file.text, entry);
    if ('problem' in edited) return edited;
    if (edited.text === file.text) return { operations: [], file: name };
    return { operations: replaceConf(name, file, edited.text, file.version), file: name };
  }
  // A list of the same name would sort before the .json file, and hide it when another program rewrites it.
  if (name.endsWith('.json')) return { problem: 'should be a .conf or .conflist' };
  const list = `${name}list`;
  const [other, before] = [conf.get(list), conf.get(saved(name))];
  const whole = listOfOne(file.text);
  if ('problem' in whole) return whole;
  const isFree = !other || standsFor(other, file) || (before && standsFor(other, before));
  if (!isFree) return { problem: `stands beside ${list}` };
  const edited = withPlugin(whole.text, entry);
  if ('problem' in edited) return edited;
  const version = { moves: file.version, replaces: before?.version ?? null };
  return {
    operations: [
      ...replaceConf(list, file, edited.text, other?.version ?? null),
      // From here on the runtime uses the list.
      { op: 'rename', place: 'conf', from: name, to: saved(name), ...version },
      syncDirectory('conf'),
    ],
    file: list,
  };
}

function removeFrom(
  { conf }: HostState,
  name: string,
): { readonly operations: readonly FileOperation[]; readonly problem?: string } {
  const file = conf.get(name)!;
  if (file.text === undefined || !mentionsPlugin(file.text)) return { operations: [] };
  const edited = withoutPlugin(file.text);
  if ('problem' in edited) return { operations: [], problem: `${name} ${edited.problem}` };
  if (edited.text === file.text) return { operations: [] };
  const single = singleOf(name);
  const [stays, before] = [conf.get(single), conf.get(saved(single))];
  const isOnlyOurs = [stays, before].some((each) => each && standsFor(file, each));
  // Another program has changed the list since, so it stays a list.
  if (!isOnlyOurs) return { operations: replaceConf(name, file, edited.text, file.version) };
  const back: FileOperation[] = [
    { op: 'rename', place: 'conf', from: saved(single), to: single, replaces: null },
    syncDirectory('conf'),
  ];
  // From here on the runtime uses the configuration of one plugin.
  return { operations: [...(stays ? [] : back), remove('conf', name), syncDirectory('conf')] };
}

/** Removes saved configurations that are not needed after these operations. */
function forgotten({ conf }: HostState, operations: readonly FileOperation[], file?: string): FileOperation[] {
  const moved = new Set(operations.flatMap((each) => (each.op === 'rename' ? [each.from] : [])));
  const left = [...conf.keys()].filter((name) => isSaved(name) && !moved.has(name) && name !== saved(singleOf(file)));
  return [
    ...left.sort(compareText).map((name) => remove('conf', name)),
    ...(left.length > 0 ? [syncDirectory('conf')] : []),
  ];
}

/** The configuration of one plugin for which a list may stand. */
function singleOf(list = ''): string {
  return list.slice(0, -'list'.length);
}

/** Whether the list is the configuration of one plugin, and the plugin that we added. */
function standsFor(list: ConfFile, single: ConfFile): boolean {
  if (list.text === undefined || single.text === undefined) return false;
  const [whole, without] = [listOfOne(single.text), withoutPlugin(list.text)];
  return 'text' in whole && 'text' in without && whole.text === without.text;
}

function replaceConf(name: string, { mode }: ConfFile, text: string, replaces: string | null): FileOperation[] {
  return replace('conf', name, { text, mode, replaces });
}

/** Writes a file whole: at each moment it has the old or the new content. Without `text`: the program. */
function replace(
  place: Place,
  name: string,
  file: {
    readonly text?: string | undefined;
    readonly mode: number;
    readonly replaces?: string | null;
  },
): FileOperation[] {
  const { text, mode, replaces } = file;
  const from = temporary(name);
  return [
    { op: 'create', place, name: from, ...(text !== undefined && { text }), mode },
    { op: 'sync', place, name: from },
    { op: 'rename', place, from, to: name, ...(replaces !== undefined && { replaces }) },
    syncDirectory(place),
  ];
}

function remove(place: Place, name: string): FileOperation {
  return { op: 'remove', place, name };
}

function syncDirectory(place: Place): FileOperation {
  return { op: 'sync-directory', place };
}
