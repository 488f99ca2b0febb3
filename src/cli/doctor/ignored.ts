import { ConfigError } from '../../config/config-error.ts';

/** Of `--ignore`. Throws a ConfigError for a check that there is not: it would be looked for after all. */
export function readIgnored(text: string | undefined, checks: readonly { readonly id: string }[]): Set<string> {
  const names = (text ?? '').split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !checks.some(({ id }) => id === name));
  if (unknown === undefined) return new Set(names);
  const all = checks.map(({ id }) => id).join(', ');
  throw new ConfigError(`--ignore: there is no check ${JSON.stringify(unknown)}; there are ${all}`);
}
