import { cpus, release, totalmem } from 'node:os';
import { execa } from 'execa';

/** Properties of the machine that affect the figures. */
export async function describeMachine(): Promise<Record<string, string | number | undefined>> {
  const { stdout: nft } = await execa('nft', ['--version']);
  return {
    kernel: release(),
    nft,
    node: process.version,
    processors: cpus().length,
    model: cpus()[0]?.model,
    memoryMB: Math.round(totalmem() / 2 ** 20),
  };
}
