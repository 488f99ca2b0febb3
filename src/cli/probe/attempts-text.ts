import { isJsonObject } from '../../lib/json.ts';
import { parsePrintable, printable } from '../../lib/printable.ts';
import { outcomes, type Attempt } from '../connect/attempt.ts';
import { ProbeError } from './probe-error.ts';

/** Finds the output of `postern connect --once -o json` in a log. Throws a ProbeError. */
export function readAttempts(text: string, where: string): Attempt[] {
  for (const line of text.split('\n')) {
    if (!line.startsWith('[')) continue;
    try {
      const attempts = parsePrintable(line);
      if (Array.isArray(attempts) && attempts.length > 0 && attempts.every(isAttempt)) return attempts;
    } catch {
      // Another line that starts with "[".
    }
  }
  const said = printable(text.trim().slice(-300)) || 'nothing';
  throw new ProbeError(`unexpected output of ${where}: ${said}`);
}

function isAttempt(value: unknown): value is Attempt {
  return (
    isJsonObject(value) &&
    typeof value['address'] === 'string' &&
    outcomes.some((each) => each === value['outcome']) &&
    typeof value['ms'] === 'number'
  );
}
