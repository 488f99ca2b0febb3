/**
 * What the files of one room under src may import besides each other. An entry is a room (`model`), one file of a room (`model/issue.ts`),
 * a file of the house (`pipeline.ts`), a package (`npm:execa`) or Node's own modules (`node:*`, `node:crypto`).
 */
export interface Room {
  readonly imports: readonly string[];
  /** `import type` only. */
  readonly types?: readonly string[];
}

/** Rooms that know no time, process or network: their output depends on their arguments alone. */
export const pureRooms = [
  'model',
  'kinds',
  'indexer',
  'evaluator',
  'impact',
  'nftables',
  'compile',
  'plan',
  'doctor',
] as const;

const client = 'npm:@kubernetes/client-node';
const doors = ['watch', 'sandboxes', 'apply', 'state', 'telemetry', 'config', 'manifests', 'lib'];

/** The walls of the house, and the only place where they are written down. A file or folder of src that is not here may import nothing. */
export const rooms: Readonly<Record<string, Room>> = {
  lib: { imports: ['npm:ip-num', 'node:*'] },
  model: { imports: ['lib', 'npm:ip-num'] },
  kinds: { imports: ['model', 'lib'], types: [client] },
  indexer: { imports: ['model', 'lib'] },
  evaluator: { imports: ['model/address.ts', 'model/issue.ts', 'lib'], types: [client] },
  impact: { imports: ['evaluator', 'model/address.ts', 'model/issue.ts', 'lib'] },
  nftables: { imports: ['lib'] },
  compile: { imports: ['model', 'nftables', 'lib'] },
  plan: { imports: ['nftables', 'lib'] },
  doctor: { imports: ['nftables', 'model', 'lib'] },
  watch: { imports: ['kinds', 'model', 'lib', client, 'node:*'] },
  sandboxes: { imports: ['model', 'lib', 'node:*'] },
  apply: { imports: ['model/address.ts', 'nftables', 'lib', 'npm:execa', 'node:*'] },
  state: { imports: ['model', 'lib', 'node:*'] },
  telemetry: { imports: ['lib', 'npm:pino', 'npm:prom-client', 'node:*'] },
  config: { imports: ['model', 'lib', 'node:*'] },
  manifests: { imports: ['model/issue.ts', 'lib', client, 'node:fs', 'node:path', 'node:stream/consumers'] },
  lab: { imports: [...pureRooms, ...doors, client, 'npm:execa', 'npm:rfc6902', 'node:*'] },
  agent: { imports: [...pureRooms, ...doors, 'pipeline.ts', client, 'node:*'] },
  cli: { imports: [...pureRooms, ...doors, 'pipeline.ts', 'agent', 'lab', client, 'npm:commander', 'node:*'] },
  'pipeline.ts': { imports: [...pureRooms, 'lib'] },
  'main.ts': { imports: ['cli', 'node:*'] },
};

/**
 * Why a file may not import something, or `undefined` if it may.
 * @param importer path of the file inside src, with `/`
 * @param imported a path inside src, or as `npm:NAME` or `node:NAME`
 */
export function findWall(importer: string, imported: string, typeOnly: boolean): string | undefined {
  const name = roomOf(importer);
  const room = rooms[name];
  if (!room) return `src/${name} is not in the table of rooms`;
  if (!imported.includes(':') && roomOf(imported) === name) return undefined;
  if (room.imports.some((entry) => covers(entry, imported))) return undefined;
  if (!room.types?.some((entry) => covers(entry, imported))) return `${name} may not import ${imported}`;
  return typeOnly ? undefined : `${name} may import only types from ${imported}`;
}

function roomOf(path: string): string {
  return path.split('/')[0]!;
}

function covers(entry: string, imported: string): boolean {
  return entry === imported || (entry === 'node:*' && imported.startsWith('node:')) || imported.startsWith(`${entry}/`);
}
