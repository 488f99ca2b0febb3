import type { ForeignFacts, UnreadableTable } from '../../doctor/facts.ts';
import { readForeignRules } from '../../doctor/foreign/rules.ts';
import { listAt, textAt } from '../../lib/json.ts';
import { tableName, tableFamilies } from '../../nftables/ruleset.ts';
import { runLimited, type LimitedOutcome } from '../../apply/limited-run.ts';

export interface ForeignOptions {
  /** A program of this name on the PATH, or a path. */
  readonly nft: string;
  readonly signal: AbortSignal;
  /** For one listing. */
  readonly timeoutMs?: number;
  /** For all. */
  readonly patienceMs?: number;
  readonly now?: () => number;
}

/** kube-proxy in iptables mode, with 10,000 Services: 70,000 rules, 23 MB, 6 s on a busy machine. */
const maxBytes = 64 << 20;
const maxTables = 64;

/**
 * Lists what other programs have in the kernel, each table in a process of its own: one that nft dies of, or hangs over, says nothing of the
 * others.
 */
export async function readForeignTables(options: ForeignOptions): Promise<ForeignFacts> {
  const { nft, signal, timeoutMs = 10_000, patienceMs = 25_000, now = () => performance.now() } = options;
  const deadline = now() + patienceMs;
  const objects: unknown[] = [];
  const unreadable: UnreadableTable[] = [];
  const list = async (subject: string, args: readonly string[]): Promise<readonly unknown[]> => {
    const left = Math.min(timeoutMs, deadline - now());
    const outcome =
      left > 0
        ? parse(await runLimited(nft, args, { timeoutMs: left, maxBytes, signal }))
        : ({ how: 'timeout', message: 'there was no time left for it' } as const);
    if ('objects' in outcome) return outcome.objects;
    unreadable.push({ subject, ...outcome });
    return [];
  };
  const names = (await list('the list of tables', ['-j', 'list', 'tables'])).flatMap(nameOf);
  for (const [index, { family, name }] of names.entries()) {
    const subject = `table ${family} ${name}`;
    if (index >= maxTables) {
      unreadable.push({
        subject,
        how: 'too large',
        message: `there are ${names.length} tables, and it is not looked at`,
      });
    } else if (!isPlain(name)) {
      unreadable.push({ subject, how: 'failed', message: 'its name cannot be given to nft' });
    } else {
      // Elements may be a million, and nothing here reads them.
      objects.push(...(await list(subject, ['-j', '-t', 'list', 'table', family, name])));
    }
  }
  return { rules: readForeignRules(objects), unreadable };
}

/** nft reads its arguments as a script: a name is anybody's, and must not be one. */
function isPlain(name: string): boolean {
  return /^[A-Za-z_.][A-Za-z0-9_./-]*$/.test(name);
}

function nameOf(object: unknown): { readonly family: string; readonly name: string }[] {
  const [family, name] = [textAt(object, 'table', 'family'), textAt(object, 'table', 'name')];
  if (family === undefined || name === undefined) return [];
  return name === tableName && tableFamilies.some((each) => each === family) ? [] : [{ family, name }];
}

function parse(
  outcome: LimitedOutcome,
): { readonly objects: readonly unknown[] } | Exclude<LimitedOutcome, { stdout: string }> {
  if (!('stdout' in outcome)) return outcome;
  try {
    return { objects: listAt(JSON.parse(outcome.stdout) as unknown, 'nftables') };
  } catch {
    const start = JSON.stringify(outcome.stdout.slice(0, 80));
    return { how: 'failed', message: `nft lists something that is not JSON: ${start}` };
  }
}
