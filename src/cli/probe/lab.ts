import { execFile } from 'node:child_process';
import { askLab } from '../../lab/control.ts';
import { enterNamespace } from '../../lab/network-namespace.ts';
import type { LabState } from '../../lab/state.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { Attempt } from '../connect/attempt.ts';
import type { Destinations } from '../connect/attempts.ts';
import { readAttempts } from './attempts-text.ts';
import { connectArguments, resolverEnvironment } from './container.ts';

/** The objects that all agents of a lab have applied, with Services and Host objects. */
export async function readLabObjects(state: LabState): Promise<readonly JsonObject[]> {
  return (await askLab(state, 'objects', {})).objects;
}

/** Runs `postern connect` in the network namespace of a pod, `host/NAME` or `node/NAME`. */
export async function probeFromStation(state: LabState, station: string, to: Destinations): Promise<Attempt[]> {
  const { namespace } = await askLab(state, 'namespace', { station });
  const environment = Object.entries(resolverEnvironment).map(([name, value]) => `${name}=${value}`);
  const program = [process.execPath, ...process.execArgv, process.argv[1]!, ...connectArguments(to)];
  const [file, args] = enterNamespace(namespace, 'env', [...environment, ...program]);
  const said = await new Promise<string>((resolve) => {
    // Exit code 1 is an answer too; readAttempts rejects other output.
    execFile(file, args, (_, stdout, stderr) => resolve(`${stdout}${stderr}`));
  });
  return readAttempts(said, `postern connect in ${station}`);
}
