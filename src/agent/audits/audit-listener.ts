import type { RecordedDenial } from '../../compile/denials.ts';
import { takeTurns } from '../../lib/take-turns.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Knowledge } from '../denials/describe-denial.ts';
import type { PolicyReporter } from '../policy-report.ts';
import type { AuditTally } from './audit-tally.ts';

interface Options {
  readonly tally: Pick<AuditTally, 'take'>;
  readonly policies: Pick<PolicyReporter, 'denied'>;
  /** Whether to write log lines. */
  readonly log: boolean;
  readonly logger: Pick<Logger, 'info'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Lines for each look. The pods take turns, so that a scan of one does not hide the others. `postern audit` lists the rest. */
const mostLogged = 50;

/** Returns what counts and logs the connections of a look that policies in audit would deny. */
export function createAuditListener({ tally, policies, log, logger, now }: Options) {
  let logged = 0;
  return (records: readonly RecordedDenial[], known: Knowledge): void => {
    const found = tally.take(records, known, now());
    // Connections of one address and direction share a list, which may have thousands of policies.
    const groups = Map.groupBy(found, ({ ids }) => ids);
    for (const [ids, same] of groups) policies.denied(ids, same.length);
    if (!log) return;
    for (const same of takeTurns([...groups.values()], mostLogged, logged)) {
      for (const { connection } of same) logger.info(connection, 'would be denied by a policy in audit');
    }
    logged += mostLogged;
  };
}
