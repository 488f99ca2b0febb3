import { readFileSync } from 'node:fs';

/** As package.json says: two folders up, from the source and from the build alike. */
export function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
