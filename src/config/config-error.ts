/** An invalid flag or variable. The message names it and its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config';
}
