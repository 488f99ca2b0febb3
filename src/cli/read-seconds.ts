import { ConfigError } from '../config/config-error.ts';

/** Reads the value of `--timeout`. Throws a ConfigError. */
export function readSeconds(text: string): number {
  const seconds = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return seconds;
  throw new ConfigError(`--timeout: ${JSON.stringify(text)} is not a number of seconds, 1 or more`);
}
