import { readFile } from 'node:fs/promises';
import { messageOf } from '../lib/message-of.ts';
import { isJsonObject } from './api/object.ts';
import type { CniConfigList } from './cni.ts';
import { labCnis, type LabCni, type LabNetwork } from './cni-config.ts';
import { LabError } from './error.ts';

/** @param given the name of a network of the lab, or the path of a file with a CNI configuration list. Rejects with LabError `input`. */
export async function readNetwork(given: string): Promise<LabNetwork> {
  if (labCnis.includes(given as LabCni)) return given as LabCni;
  let text: string;
  try {
    text = await readFile(given, 'utf8');
  } catch (error) {
    throw new LabError('input', `--cni takes ${labCnis.join(', ')}, or a file: ${messageOf(error)}`);
  }
  return parseConfigList(text, given);
}

/** Reads a network configuration list (CNI specification 1.0.0, section 1). Throws LabError `input`. */
export function parseConfigList(text: string, file: string): CniConfigList {
  const fail = (what: string): never => {
    throw new LabError('input', `${file} ${what}`);
  };
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    fail(`is not JSON: ${messageOf(error)}`);
  }
  if (!isJsonObject(list)) return fail('is not a JSON object');
  const { cniVersion, name, plugins } = list;
  if (typeof cniVersion !== 'string') return fail('has no cniVersion');
  // The name becomes part of file names.
  if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) return fail('has no valid name');
  if (!Array.isArray(plugins)) return fail('has no list of plugins: write a .conflist, not a .conf of one plugin');
  if (plugins.length === 0) fail('has an empty list of plugins');
  for (const [index, plugin] of plugins.entries()) {
    const type = isJsonObject(plugin) ? plugin['type'] : undefined;
    if (typeof type !== 'string' || !/^[A-Za-z0-9_.-]+$/.test(type)) fail(`plugins[${index}] has no valid type`);
  }
  return list as unknown as CniConfigList;
}
