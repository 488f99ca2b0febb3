/** A process that installs or removes the CNI plugin, and is killed before its n-th operation. Started by `cni-install.test.ts`. */
import { readHostState, runOperation } from '../../src/cni/host-files.ts';
import { planInstall, planRemoval } from '../../src/cni/install-plan.ts';
import type { PluginEntry } from '../../src/cni/plugin-entry.ts';

const [action, conf, bin, program, entry, killedAt] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const directories = { conf, bin, program };
const state = await readHostState(directories);
const { operations } =
  action === 'install' ? planInstall(state, JSON.parse(entry) as PluginEntry) : planRemoval(state, false);
for (const [index, operation] of operations.entries()) {
  if (String(index) === killedAt) process.kill(process.pid, 'SIGKILL');
  await runOperation(operation, directories);
}
