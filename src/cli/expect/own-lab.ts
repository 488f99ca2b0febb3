import type { ApiObject } from '../../lab/api/object.ts';
import { checkMachine } from '../../lab/preflight.ts';
import { runSession } from '../../lab/session.ts';
import { loadManifests } from '../../manifests/load.ts';
import { formatProblem, ManifestError } from '../../manifests/problem.ts';
import type { LookInLab } from './packets.ts';

interface OwnLab {
  readonly name?: string;
  readonly stateDir?: string;
  /** Manifests. */
  readonly filename?: readonly string[];
}

/** Starts a lab with the manifests, and removes it when `use` ends. Resolves to `undefined` if a signal ended it. */
export async function runOwnLab<Value>(
  { name = `test${process.pid}`, stateDir, filename = [] }: OwnLab,
  use: (objects: readonly ApiObject[], look: LookInLab) => Promise<Value>,
): Promise<Value | undefined> {
  const { objects, problems } = await loadManifests(filename);
  if (problems.length > 0) throw new ManifestError(problems.map(formatProblem).join('\n'));
  await checkMachine('bridge', 'routed');
  let result: Value | undefined;
  const options = {
    name,
    // loadManifests has checked apiVersion, kind and metadata.name.
    objects: objects as unknown as ApiObject[],
    ...(stateDir !== undefined && { stateRoot: stateDir }),
  };
  const interrupted = await runSession(options, async ({ lab, ending }) => {
    const found = await use(await lab.settledObjects(), (connections) => lab.look(connections));
    // A lab that is being removed may give wrong results.
    ending.throwIfAborted();
    result = found;
  });
  if (interrupted === undefined) return result;
  process.stderr.write(`postern: interrupted; lab ${name} is removed\n`);
  process.exitCode = interrupted;
  return undefined;
}
