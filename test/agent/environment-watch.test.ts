import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { environmentChecks, watchEnvironment } from '../../src/agent/environment-watch.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';

describe('watchEnvironment', () => {
  it('starts nothing once the agent has been told to stop, which would keep the process alive', () => {
    const before = process.getActiveResourcesInfo().length;
    const logger = createLogger({ level: 'silent', node: 'n1', version: '0' });
    const look = watchEnvironment(() => [], new Checks(environmentChecks), logger, AbortSignal.abort());
    look();
    assert.equal(process.getActiveResourcesInfo().length, before);
  });
});
