/**
 * Allowed imports of one room (folder of src) besides its own files. An entry is a room (`model`), one file of a room (`model/issue.ts`),
 * a file of src (`pipeline.ts`), a package (`npm:execa`) or modules of Node.js (`node:*`, `node:crypto`).
 */
export interface Room {
  readonly imports: readonly string[];
  /** `import type` only. */
  readonly types?: readonly string[];
}

/** Rooms without access to time, processes or network: their output depends only on their arguments. */
export const pureRooms = [
  'model',
  'kinds',
  'ownership',
  'indexer',
  'evaluator',
  'impact',
  'flows',
  'suggest',
  'map',
  'nftables',
  'compile',
  'plan',
  'doctor',
] as const;

const client = 'npm:@kubernetes/client-node';
const ioRooms = ['watch', 'sandboxes', 'cni', 'apply', 'state', 'telemetry', 'config', 'manifests', 'lib'];

/** Allowed imports of every room. A file or folder of src that is not in this table may import nothing. */
export const rooms: Readonly<Record<string, Room>> = {
  lib: { imports: ['npm:ip-num', 'npm:@bufbuild/protobuf', 'node:*'] },
  model: { imports: ['lib', 'npm:ip-num'] },
  kinds: { imports: ['model', 'lib'], types: [client] },
  ownership: { imports: ['model', 'lib'] },
  indexer: { imports: ['ownership', 'model', 'lib'] },
  evaluator: { imports: ['model/address.ts', 'model/issue.ts', 'lib'], types: [client] },
  impact: { imports: ['evaluator', 'model/address.ts', 'model/issue.ts', 'lib'] },
  flows: { imports: ['model/address.ts', 'lib'] },
  suggest: { imports: ['flows', 'evaluator', 'model/address.ts', 'lib'] },
  map: {
    imports: ['suggest', 'flows', 'impact', 'evaluator', 'manifests/defaults.ts', 'model/address.ts', 'lib'],
    types: ['doctor/finding.ts'],
  },
  nftables: { imports: ['lib'] },
  compile: { imports: ['model', 'nftables', 'lib'] },
  plan: { imports: ['nftables', 'lib'] },
  page: {
    imports: [
      ...['map', 'flows', 'lib'],
      ...['npm:preact', 'npm:@preact/signals', 'npm:cytoscape', 'npm:cytoscape-fcose', 'npm:uplot', 'npm:yaml'],
    ],
    types: ['evaluator', 'suggest', 'impact'],
  },
  doctor: { imports: ['evaluator', 'nftables', 'model', 'lib'] },
  watch: { imports: ['kinds', 'model', 'lib', client, 'node:*'] },
  sandboxes: { imports: ['model', 'lib', 'node:*'] },
  cni: { imports: ['sandboxes/cache-entry.ts', 'lib', 'node:*'] },
  apply: { imports: ['model/address.ts', 'nftables', 'lib', 'npm:execa', 'npm:koffi', 'node:*'] },
  state: { imports: ['model', 'lib', 'node:*'] },
  telemetry: { imports: ['lib', 'npm:pino', 'npm:prom-client', 'node:*'] },
  config: { imports: ['model', 'lib', 'node:*'] },
  manifests: { imports: ['model/issue.ts', 'lib', client, 'node:fs', 'node:path', 'node:stream/consumers'] },
  lab: { imports: [...pureRooms, ...ioRooms, client, 'npm:execa', 'npm:rfc6902', 'node:*'] },
  agent: { imports: [...pureRooms, ...ioRooms, 'pipeline.ts', client, 'node:*'] },
  cli: {
    imports: [
      ...pureRooms,
      ...ioRooms,
      'pipeline.ts',
      'agent',
      'lab',
      client,
      'npm:commander',
      'npm:esbuild',
      'node:*',
    ],
  },
  'pipeline.ts': { imports: [...pureRooms, 'lib'] },
  'main.ts': { imports: ['cli', 'node:*'] },
};

/**
 * Returns why an import is not allowed, or `undefined` if it is.
 * @param importer Path of the file below src, with `/`.
 * @param imported Path below src, `npm:NAME` or `node:NAME`.
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
