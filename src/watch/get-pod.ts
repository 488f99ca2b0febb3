import type { Pod } from '../model/cluster.ts';
import type { ApiReader } from './api-client.ts';
import { decodePod, readIdentity } from './decode.ts';
import { getObject, type GetOptions, type NamespacedName } from './get-object.ts';

/** Reads and decodes one pod, as `getObject` does. */
export async function getPod(client: ApiReader, name: NamespacedName, options: GetOptions): Promise<Pod | undefined> {
  const raw = await getObject(client, '/api/v1/pods', name, options);
  const identity = readIdentity(raw);
  return identity && decodePod(raw, identity).value;
}
