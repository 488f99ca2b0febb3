import { isJsonObject } from '../../lib/json.ts';
import type { Attempt } from '../connect/attempt.ts';
import { ProbeError } from './probe-error.ts';

/** Finds the output of `postern connect --once -o json` in a log. Throws a ProbeError. */
export function readAttempts(text: string, where: string): Attempt[] {
  for (const line of text.split('\n')) {
    if (!line.startsWith('[')) continue;
    try {
      const attempts: unknown = JSON.parse(line);
      if (Array.isArray(attempts) && attempts.length > 0 && attempts.every(isAttempt)) return attempts;
    } catch {
      // Another line that starts with "[".
    }
  }
  const said = text.trim().slice(-300) || 'nothing';
  throw new ProbeError(`unexpected output of ${where}: ${said}`);
}

function isAttempt(value: unknown): value is Attempt {
  return (
    isJsonObject(value) &&
    typeof value['address'] === 'string' &&
    typeof value['outcome'] === 'string' &&
    typeof value['ms'] === 'number'
  );
}
