import type { EventEmitter } from 'node:events';
import type { Logger } from './logger.ts';

/** Logs the warnings of Node.js, which writes them to standard error as plain text by default: a reader of the log expects JSON lines. */
export function logProcessWarnings(process: EventEmitter, logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (err: Error) => logger.warn({ err }, 'Node.js reported a warning; please report it'));
}
