import { isJsonObject } from '../../lib/json.ts';
import type { Attempt } from '../connect/attempt.ts';
import { ProbeError } from './probe-error.ts';

/** Reads what `postern connect --once -o json` has printed, among whatever else stands there. */
export function readAttempts(text: string, where: string): Attempt[] {
  for (const line of text.split('\n')) {
    if (!line.startsWith('[')) continue;
    try {
      const attempts: unknown = JSON.parse(line);
      if (Array.isArray(attempts) && attempts.length > 0 && attempts.every(isAttempt)) return attempts;
    } catch {
      // Not the line.
    }
  }
  const said = text.trim().slice(-300) || 'nothing';
  throw new ProbeError(`${where} did not say what came of it, but: ${said}`);
}

function isAttempt(value: unknown): value is Attempt {
  return (
    isJsonObject(value) &&
    typeof value['address'] === 'string' &&
    typeof value['outcome'] === 'string' &&
    typeof value['ms'] === 'number'
  );
}
