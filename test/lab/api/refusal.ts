import assert from 'node:assert/strict';
import { ApiError, type Status } from '../../../src/lab/api/status.ts';

/** The Status that `act` is refused with. */
export function refusalOf(act: () => unknown): Status {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error.status;
  }
  assert.fail('was not refused');
}
