import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Context } from 'mocha';
import { skipTest } from './skip.ts';

const cache = fileURLToPath(new URL('../../node_modules/.cache/postern/', import.meta.url));
const unpacked = join(cache, 'prometheus');

export interface PrometheusTools {
  readonly prometheus: string;
  readonly promtool: string;
}

let found: Promise<PrometheusTools | Error> | undefined;

/**
 * Returns a real Prometheus with promtool: from the PATH, else Debian's, fetched once (32 MB) and unpacked beside the checkout. An
 * installed package would start a server on this machine. Skips without either. Call it in `before` with a timeout of minutes.
 */
export async function requirePrometheus(context: Context): Promise<PrometheusTools> {
  const result = await (found ??= findTools());
  return result instanceof Error ? skipTest(context, `no prometheus: ${result.message}`) : result;
}

async function findTools(): Promise<PrometheusTools | Error> {
  const onPath = await Promise.all(['prometheus', 'promtool'].map((name) => runs(name)));
  if (onPath.every(Boolean)) return { prometheus: 'prometheus', promtool: 'promtool' };
  try {
    if (!existsSync(unpacked)) await fetchTools();
    const [prometheus, promtool] = ['prometheus', 'promtool'].map((name) => join(unpacked, 'usr/bin', name));
    return { prometheus: prometheus!, promtool: promtool! };
  } catch (error) {
    return new Error((error as Error).message.split('\n')[0]);
  }
}

async function runs(program: string): Promise<boolean> {
  return (await execa(program, ['--version'], { reject: false })).exitCode === 0;
}

async function fetchTools(): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    const run = execa({ cwd: work, timeout: 120_000 });
    const download = async (): Promise<void> => {
      await run`apt-get download -qq prometheus`;
      // Before Debian 13, promtool is in the package prometheus.
      await run({ reject: false })`apt-get download -qq promtool`;
    };
    await download().catch(async () => {
      await run({ reject: false })`apt-get update -qq`;
      await download();
    });
    for (const file of await readdir(work)) {
      if (file.endsWith('.deb')) await run`dpkg-deb --extract ${file} tools`;
    }
    for (const name of ['prometheus', 'promtool']) await run`tools/usr/bin/${name} --version`;
    // Atomic, also with two parallel test runs.
    await rename(join(work, 'tools'), unpacked).catch((error: unknown) => {
      if (!existsSync(unpacked)) throw error;
    });
  } finally {
    await rm(work, { recursive: true });
  }
}
