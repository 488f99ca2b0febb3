import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: string;
  readonly node: string;
  readonly version: string;
  /** Default: standard output. Each line is written before the call returns, so that a crash loses nothing. */
  readonly destination?: DestinationStream;
}

/** Writes JSON lines with `level` as a name, `time` in ISO 8601, the node and the version. Errors go under `err`, with their causes. */
export function createLogger({ level, node, version, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { node, version },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}
