import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { textAt } from '../lib/json.ts';
import { ChangedMeanwhile, readHostState, runOperation, type HostDirectories } from './host-files.ts';
import { planInstall, planRemoval, type FileOperation, type HostState, type InstallPlan } from './install-plan.ts';
import { mentionsPlugin } from './list-text.ts';
import type { PluginEntry } from './plugin-entry.ts';

export interface HostChange extends InstallPlan {
  /** Whether the program stays, because a runtime may still run it. */
  readonly isProgramKept?: boolean;
}

/** Another program may change a file at the same time. */
const attempts = 5;

/** Brings the plugin into the network configuration of this node, or renews it there. Does nothing if all is as it should be. */
export function installPlugin(directories: HostDirectories, entry: PluginEntry): Promise<HostChange> {
  return change(directories, (state) => planInstall(state, entry));
}

/** Takes the plugin out of all network configurations of this node. The program stays. */
export function takeOut(directories: HostDirectories): Promise<HostChange> {
  return change(directories, (state) => planRemoval(state, true));
}

/**
 * Takes the plugin out of all network configurations of this node, and then removes its program. The program stays while the runtime's records name it:
 * CRI-O ends a pod with the list that the pod was started with.
 * @param cacheDir the results directory of libcni's cache
 */
export async function removePlugin(directories: HostDirectories, cacheDir: string | undefined): Promise<HostChange> {
  const isNamed = cacheDir !== undefined && (await isNamedByRecords(cacheDir));
  const changed = await change(directories, (state) => planRemoval(state, isNamed));
  return { ...changed, isProgramKept: isNamed };
}

async function change(directories: HostDirectories, plan: (state: HostState) => InstallPlan): Promise<InstallPlan> {
  const done: FileOperation[] = [];
  for (let attempt = 1; ; attempt++) {
    const planned = plan(await readHostState(directories));
    try {
      for (const operation of planned.operations) {
        await runOperation(operation, directories);
        done.push(operation);
      }
      return { ...planned, operations: done };
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile) || attempt === attempts) throw error;
    }
  }
}

async function isNamedByRecords(cacheDir: string): Promise<boolean> {
  const names = await readdir(cacheDir).catch(() => []);
  for (const name of names) {
    const text = await readFile(join(cacheDir, name), 'utf8').catch(() => '');
    if (mentionsPlugin(Buffer.from(configOf(text), 'base64').toString())) return true;
  }
  return false;
}

function configOf(record: string): string {
  try {
    return textAt(JSON.parse(record), 'config') ?? '';
  } catch {
    return '';
  }
}
