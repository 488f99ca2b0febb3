/** A flag or variable that cannot be used; the message names it and its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config';
}
