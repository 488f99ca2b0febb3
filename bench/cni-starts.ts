/**
 * Starts pods that connect with their first instruction, in turn with the CNI plugin and without it, and prints what their first connection took. Run it as
 * root: `npx node bench/cni-starts.ts [PODS] [AT ONCE]`. Let the machine be idle meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { FirstConnections, type FirstConnection } from '../test/kernel/first-connections.ts';

const [wanted, atOnce] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 4)];
const directory = mkdtempSync(join(tmpdir(), 'postern-cni-'));
const program = join(directory, 'postern-cni');
await execa('sh', [resolve(import.meta.dirname, '../scripts/image/cni.sh'), program]);

const cniPlugin = { program, failurePolicy: 'Fail', timeoutSeconds: 60 } as const;
const labs = {
  with: await FirstConnections.open({ name: 'cniwith', cni: 'ptp', cniPlugin }),
  without: await FirstConnections.open({ name: 'cniwithout', cni: 'ptp' }),
};
const found: Record<keyof typeof labs, FirstConnection[]> = { with: [], without: [] };
try {
  while (found.without.length < wanted) {
    const count = Math.min(atOnce, wanted - found.without.length);
    for (const name of ['with', 'without'] as const) found[name].push(...(await labs[name].start(count)));
  }
} finally {
  for (const lab of Object.values(labs)) await lab.close();
  rmSync(directory, { recursive: true });
}
for (const [name, starts] of Object.entries(found)) {
  const syns = starts.reduce((sum, { retransmittedSyns }) => sum + retransmittedSyns, 0);
  const connection = percentiles(starts.map(({ milliseconds }) => milliseconds[0]!));
  const add = percentiles(starts.map(({ addMilliseconds }) => addMilliseconds));
  process.stdout.write(
    `${name} the plugin: ${starts.length} starts, ${syns} SYNs sent again; first connection ${connection}; ADD ${add}\n`,
  );
}

function percentiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string => sorted[Math.ceil(part * sorted.length) - 1]!.toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
