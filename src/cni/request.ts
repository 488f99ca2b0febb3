import { isJsonObject, listAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { isPodInterface, readCacheEntry, type CacheEntry, type WantedInterfaces } from '../sandboxes/cache-entry.ts';

export type CniCommand = 'ADD' | 'CHECK' | 'DEL' | 'GC' | 'STATUS';

/** One call of the plugin by the container runtime. */
export interface CniRequest {
  readonly command: CniCommand;
  /** The configuration of the plugin, with `prevResult`. */
  readonly config: JsonObject;
  /** The name of the file in libcni's result cache that the attachment has or will have; empty for GC and STATUS. */
  readonly file: string;
  readonly subject: CniSubject;
}

/** The pod that the call is about. */
export type CniSubject =
  | { readonly kind: 'pod'; readonly entry: CacheEntry }
  /** No pod of Kubernetes, or not the interface whose addresses are the pod's. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unusable'; readonly message: string };

/** The plugin takes no more of its configuration. */
export const maxRequestBytes = (1 << 20) + (64 << 10);

const commands: readonly CniCommand[] = ['ADD', 'CHECK', 'DEL', 'GC', 'STATUS'];
const greeting = 'postern-cni 1';
/** CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_ARGS. */
const variableCount = 5;

/**
 * Reads what postern-cni.c sends. Returns a text about what is wrong with it. Never throws.
 * @param interfaces those of the watch of sandboxes, so that it reads the same from the record that the runtime writes later
 */
export function readRequest(bytes: Buffer, interfaces: WantedInterfaces): CniRequest | string {
  const fields = bytes.toString('utf8').split('\0');
  if (fields.length !== variableCount + 2 || fields[0] !== greeting)
    return 'the request is not of this version of the plugin';
  const [, given, id, , ifName, args, text] = fields as [string, string, string, string, string, string, string];
  const command = commands.find((each) => each === given);
  if (!command) return 'the command is unknown';
  const config = parseObject(text);
  if (!config) return 'the configuration is not a JSON object';
  const request = { command, config, file: '', subject: { kind: 'none' } } as const;
  if (command === 'GC' || command === 'STATUS') return request;
  const file = fileOf(config, id, ifName);
  return {
    ...request,
    file,
    subject: command === 'DEL' ? request.subject : readSubject(config, { file, id, ifName, args }, interfaces),
  };
}

/** The attachments that still exist (CNI specification 1.1.0, section 4, GC), by the names of their files. */
export function validFiles(config: JsonObject): ReadonlySet<string> {
  const attachments = listAt(config, 'cni.dev/valid-attachments');
  return new Set(
    attachments.map((each) => fileOf(config, textAt(each, 'containerID') ?? '', textAt(each, 'ifname') ?? '')),
  );
}

/** Whether the file is of the network of the configuration. Names of networks and interfaces may have dashes, ids of containers have none. */
export function isOfNetwork(config: JsonObject, file: string): boolean {
  return file.startsWith(`${textAt(config, 'name') ?? ''}-`);
}

/** Reads it as the runtime will record it, so that both count alike. */
function readSubject(
  config: JsonObject,
  { file, id, ifName, args }: { readonly [field in 'file' | 'id' | 'ifName' | 'args']: string },
  interfaces: WantedInterfaces,
): CniSubject {
  if (!isPodInterface(ifName)) return { kind: 'none' };
  const pairs = args.split(';').map((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
  });
  const keys = pairs.map(([key]) => key);
  if (new Set(keys).size < keys.length) return { kind: 'unusable', message: 'CNI_ARGS names something twice' };
  const record = {
    kind: 'cniCacheV1',
    containerId: id,
    ifName,
    networkName: textAt(config, 'name'),
    cniArgs: pairs,
    result: objectAt(config, 'prevResult'),
  };
  const reading = readCacheEntry(JSON.stringify(record), file, interfaces);
  switch (reading.kind) {
    case 'sandbox':
      return { kind: 'pod', entry: reading.entry };
    case 'foreign':
      return { kind: 'none' };
    default:
      return { kind: 'unusable', message: `the call ${reading.message}` };
  }
}

/** `getCacheFilePath` in libcni/api.go. */
function fileOf(config: JsonObject, id: string, ifName: string): string {
  return `${textAt(config, 'name') ?? ''}-${id}-${ifName}`;
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
