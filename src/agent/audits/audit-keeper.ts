import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listAt, textAt } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import { auditsFileName, replaceFile } from '../../state/state-file.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { repeat } from '../repeat.ts';
import type { AuditRow, AuditTally } from './audit-tally.ts';
import { isAuditRow } from './read-page.ts';

export interface AuditKeeperOptions {
  readonly node: string;
  /** `undefined`: the agent saves nothing. */
  readonly directory: string | undefined;
  readonly tally: Pick<AuditTally, 'version' | 'rows' | 'restore'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Pick<Logger, 'warn'>;
  readonly signal: AbortSignal;
}

/** Keeps the rows of audits over restarts of the agent. */
export interface AuditKeeper {
  /** Takes over what the agent before has saved, and saves now and then from now on. Never rejects. */
  restore(): Promise<void>;
  /** Saves at the end. Never rejects. */
  finish(): Promise<void>;
}

/** An agent that crashes loses what it counted in this time. A full tally is 2 MB of text, and with the longest names 6 MB. */
const saveEveryMs = 300_000;
/** Tenants choose the names of policies, and a row may have twenty. */
const mostNames = 3;

export function openAuditKeeper({ node, directory, tally, now, logger, signal }: AuditKeeperOptions): AuditKeeper {
  if (directory === undefined) return { restore: async () => {}, finish: async () => {} };
  const failed = (err: unknown): void =>
    logger.warn({ err }, 'could not save what policies in audit would deny: an agent that starts again counts anew');
  let isRestored = false;
  /** The version on disk. An empty tally needs no file. */
  let written = 0;
  /** One write at a time. */
  let saving = Promise.resolve();
  const save = (): Promise<void> => {
    const next = saving.then(async () => {
      const { version, rows } = tally;
      if (version === written) return;
      const texts = rows.map((row, index) => `${index === 0 ? '' : ','}${JSON.stringify(shorten(row))}`);
      await replaceFile(directory, auditsFileName, [`{"node":${JSON.stringify(node)},"rows":[`, ...texts, ']}']);
      written = version;
    });
    saving = next.catch(() => {});
    return next;
  };
  return {
    async restore() {
      const path = join(directory, auditsFileName);
      try {
        tally.restore(readRows(await readFile(path, 'utf8'), node), now());
      } catch (error) {
        if (!isMissing(error)) {
          logger.warn(
            `${path} is not used: ${messageOf(error)}: the agent counts anew what policies in audit would deny`,
          );
          written = -1;
        }
      }
      isRestored = true;
      repeat(saveEveryMs, save, { signal, failed });
    },
    async finish() {
      // An agent that ends before it had the lock has nothing to save, and another one saves.
      if (isRestored) await save().catch(failed);
    },
  };
}

function shorten({ policies, morePolicies = 0, ...row }: AuditRow): AuditRow {
  const more = morePolicies + policies.length - mostNames;
  return { ...row, policies: policies.slice(0, mostNames), ...(more > 0 && { morePolicies: more }) };
}

/** Throws an Error if the text is not what an agent of this node and version saves. */
function readRows(text: string, node: string): readonly AuditRow[] {
  const value: unknown = JSON.parse(text);
  const rows = listAt(value, 'rows');
  const owner = textAt(value, 'node');
  if (owner === undefined || !rows.every(isAuditRow)) throw new Error('it is not what an agent of this version saves');
  if (owner !== node) throw new Error(`it belongs to node ${owner}, and this is ${node}`);
  return rows;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
