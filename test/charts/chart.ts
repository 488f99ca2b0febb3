import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadYaml } from '@kubernetes/client-node';
import { execa } from 'execa';
import { readDocuments } from '../../src/manifests/documents.ts';

const root = new URL('../../', import.meta.url);
export const chart = fileURLToPath(new URL('charts/postern', root));
export const namespace = 'postern-system';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** What `helm template` prints, or refuses to: `--set` and what else there is. */
export async function template(
  helm: string,
  ...options: readonly string[]
): Promise<{ readonly text: string; readonly error: string }> {
  const args = ['template', 'postern', chart, '--namespace', namespace, ...options];
  const { stdout, stderr, exitCode } = await execa(helm, args, { reject: false });
  return { text: exitCode === 0 ? stdout : '', error: exitCode === 0 ? '' : stderr };
}

export async function render(helm: string, ...options: readonly string[]): Promise<Manifest[]> {
  const { text, error } = await template(helm, ...options);
  if (error !== '') throw new Error(error);
  return parseManifests(text);
}

export function parseManifests(text: string): Manifest[] {
  return readDocuments(text).map((document) => {
    if ('error' in document) throw new Error(`line ${document.line}: ${document.error}`);
    return document.value as Manifest;
  });
}

export function hooksOf({ metadata }: Manifest): string | undefined {
  return metadata.annotations?.['helm.sh/hook'];
}

export function readChartFile(name: string): unknown {
  return loadYaml<unknown>(readFileSync(`${chart}/${name}`, 'utf8'));
}
