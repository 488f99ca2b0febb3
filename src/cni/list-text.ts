import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject } from '../lib/json.ts';
import { elementSpans, memberSpans, type Span } from './json-spans.ts';
import { pluginType, type PluginEntry } from './plugin-entry.ts';

/** Text of a network configuration list, or what is wrong with it. */
export type Edited = { readonly text: string } | { readonly problem: string };

/** Below 0.3.0, a plugin gets no result of the plugins before it. Postern does not know what later versions require of a plugin. */
const versions: ReadonlySet<unknown> = new Set(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']);

interface List {
  readonly plugins: readonly JsonObject[];
  readonly spans: readonly Span[];
}

/**
 * Adds the plugin to a list as its last entry, or renews it there. All other bytes stay as they are. An entry that is not the last one stays where it
 * is: other programs append plugins too, and two programs that both insist on the last place would never end.
 */
export function withPlugin(text: string, entry: PluginEntry): Edited {
  const list = readList(text);
  if (typeof list === 'string') return { problem: list };
  const own = list.plugins.flatMap((plugin, index) => (isOurs(plugin) ? [index] : []));
  if (own.length === 1 && own[0]! > 0 && isDeepStrictEqual(list.plugins[own[0]!], entry)) return { text };
  const without = cut(text, list);
  if (typeof without === 'string') return append(without, entry);
  return without;
}

/** Takes the plugin out of a list. What `withPlugin` has added leaves no trace. */
export function withoutPlugin(text: string): Edited {
  const list = readList(text);
  if (typeof list === 'string') return { problem: list };
  const without = cut(text, list);
  return typeof without === 'string' ? { text: without } : without;
}

/** Whether a text names the plugin in any way, also one that is no list. */
export function mentionsPlugin(text: string): boolean {
  return text.includes(pluginType);
}

/** The list that stands for a configuration of one plugin (`ConfListFromConf` in libcni/conf.go), which stays whole. */
export function listOfOne(text: string): Edited {
  const plugin = parse(text);
  if (!plugin) return { problem: 'is not a JSON object' };
  const { cniVersion, name, type } = plugin;
  if (typeof type !== 'string' || typeof name !== 'string') return { problem: 'has no type or no name' };
  if (!versions.has(cniVersion)) return { problem: versionProblem(cniVersion) };
  const head = `"cniVersion": ${JSON.stringify(cniVersion)},\n  "name": ${JSON.stringify(name)}`;
  return { text: `{\n  ${head},\n  "plugins": [\n    ${text.trim()}\n  ]\n}\n` };
}

function readList(text: string): List | string {
  const list = parse(text);
  if (!list) return 'is not a JSON object';
  const members = memberSpans(text);
  // JSON readers differ in which one counts.
  if (new Set(members.map(({ key }) => key.toLowerCase())).size < members.length) return 'names a field twice';
  const { cniVersion, plugins } = list;
  if (!versions.has(cniVersion)) return versionProblem(cniVersion);
  if (!Array.isArray(plugins) || !plugins.every(isPlugin)) return 'has no list of plugins';
  if (plugins.every(isOurs)) return 'has no other plugin';
  return { plugins, spans: elementSpans(text, members.find(({ key }) => key === 'plugins')!.start) };
}

function isPlugin(value: unknown): value is JsonObject {
  return isJsonObject(value) && typeof value['type'] === 'string';
}

function isOurs({ type }: JsonObject): boolean {
  return type === pluginType;
}

function versionProblem(version: unknown): string {
  return `has the cniVersion ${JSON.stringify(version) ?? 'of no value'}; the plugin knows ${[...versions].join(', ')}`;
}

/** The text without our entries. */
function cut(text: string, { plugins, spans }: List): string | { readonly problem: string } {
  const own = plugins.findIndex(isOurs);
  if (own < 0) return text;
  const [start, end] = own > 0 ? [spans[own - 1]!.end, spans[own]!.end] : [spans[0]!.start, spans[1]!.start];
  const shorter = text.slice(0, start) + text.slice(end);
  const list = readList(shorter);
  return typeof list === 'string' ? { problem: list } : cut(shorter, list);
}

function append(text: string, entry: PluginEntry): Edited {
  const list = readList(text);
  if (typeof list === 'string') return { problem: list };
  const { spans } = list;
  const { end } = spans.at(-1)!;
  // As between the bracket and the first entry.
  const gap = /\s*$/.exec(text.slice(0, spans[0]!.start))![0];
  return { text: `${text.slice(0, end)},${gap}${JSON.stringify(entry)}${text.slice(end)}` };
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
