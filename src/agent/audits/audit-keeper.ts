import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/message-of.ts';
import { auditsFileName, replaceFile } from '../../state/state-file.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { repeat } from '../repeat.ts';
import type { AuditTally } from './audit-tally.ts';
import { readSavedAudits } from './read-page.ts';

export interface AuditKeeperOptions {
  /** `undefined`: the agent saves nothing. */
  readonly directory: string | undefined;
  readonly tally: AuditTally;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Pick<Logger, 'warn'>;
  readonly signal: AbortSignal;
}

/** Keeps the tally of audits over restarts of the agent. */
export interface AuditKeeper {
  /** Takes over what the agent before has saved, and saves now and then from now on. Never rejects. */
  restore(): Promise<void>;
  /** Saves at the end. Never rejects. */
  finish(): Promise<void>;
}

/** An agent that crashes loses what it counted in this time. A full tally is 2 MB of text. */
const saveEveryMs = 300_000;

export function openAuditKeeper({ directory, tally, now, logger, signal }: AuditKeeperOptions): AuditKeeper {
  if (directory === undefined) return { restore: async () => {}, finish: async () => {} };
  const failed = (err: unknown): void =>
    logger.warn({ err }, 'could not save what policies in audit would deny: an agent that starts again counts anew');
  let isRestored = false;
  let written = -1;
  const save = async (): Promise<void> => {
    const { version } = tally;
    await replaceFile(directory, auditsFileName, [JSON.stringify(tally.save(now()))]);
    written = version;
  };
  return {
    async restore() {
      const path = join(directory, auditsFileName);
      const text = await readFile(path, 'utf8').catch(() => undefined);
      try {
        if (text !== undefined) tally.restore(readSavedAudits(JSON.parse(text)), now());
      } catch (error) {
        logger.warn(
          `${path} is not used: ${messageOf(error)}: the agent counts anew what policies in audit would deny`,
        );
      }
      isRestored = true;
      written = tally.version;
      repeat(saveEveryMs, async () => (tally.version === written ? undefined : save()), { signal, failed });
    },
    async finish() {
      // An agent that ends before it had the lock has nothing to save, and another one saves.
      if (isRestored) await save().catch(failed);
    },
  };
}
