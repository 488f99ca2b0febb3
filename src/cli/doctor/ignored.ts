import { ConfigError } from '../../config/config-error.ts';

/** Reads `--ignore`. Throws a ConfigError for an unknown check. */
export function readIgnored(text: string | undefined, checks: readonly { readonly id: string }[]): Set<string> {
  const names = (text ?? '').split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !checks.some(({ id }) => id === name));
  if (unknown === undefined) return new Set(names);
  const all = checks.map(({ id }) => id).join(', ');
  throw new ConfigError(`--ignore: unknown check ${JSON.stringify(unknown)}; known checks: ${all}`);
}
