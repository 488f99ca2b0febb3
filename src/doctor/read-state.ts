import { isJsonObject, textAt } from '../lib/json.ts';
import type { NodeState } from '../model/node-state.ts';

const lists = ['gatedRanges', 'live', 'ready', 'pods', 'unknownPods', 'issues'] as const;

/** Reads the page `/node` of an agent. Returns `undefined` for another format, for example of another version. */
export function readNodeState(text: string): NodeState | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isState =
    isJsonObject(parsed) && textAt(parsed, 'node') !== undefined && lists.every((key) => Array.isArray(parsed[key]));
  return isState ? (parsed as NodeState) : undefined;
}
