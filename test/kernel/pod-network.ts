import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../../src/lab/lab.ts';
import { formatAddress, parseCidr } from '../../src/model/address.ts';

/** What pods of a node get, of the first `count` of each of its ranges, but for `taken`; the very first is the node's. */
export function poolAddresses(lab: Lab, node: string, count: number, taken: readonly string[]): string[] {
  const { podCidrs } = lab.plan.nodes.find(({ name }) => name === node)!;
  const all = podCidrs.flatMap((cidr) => {
    const { family, first } = parseCidr(cidr)!;
    return Array.from({ length: count }, (_, index) => formatAddress(family, first + 2n + BigInt(index)));
  });
  return all.filter((address) => !taken.includes(address));
}

/** When the result of each ADD on a node was written: by pod, in milliseconds since the epoch. */
export async function readAddTimes(lab: Lab, node: string): Promise<Map<string, number>> {
  const folder = join(lab.state.nodeDirectory(node), 'cni', 'results');
  const entries = (await readdir(folder)).map(async (name) => {
    const { cniArgs } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { cniArgs: [string, string][] };
    const args = new Map(cniArgs);
    const { mtimeMs } = await stat(join(folder, name));
    return [`${args.get('K8S_POD_NAMESPACE')}/${args.get('K8S_POD_NAME')}`, mtimeMs] as const;
  });
  return new Map(await Promise.all(entries));
}
