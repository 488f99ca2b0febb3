import type { ForeignFacts, UnreadableTable } from '../../doctor/facts.ts';
import { readForeignRules } from '../../doctor/foreign/rules.ts';
import { listAt, textAt } from '../../lib/json.ts';
import { tableName, tableFamilies } from '../../nftables/ruleset.ts';
import { runLimited, type LimitedOutcome } from '../../apply/limited-run.ts';

export interface ForeignOptions {
  /** Name on the PATH, or a path. */
  readonly nft: string;
  readonly signal: AbortSignal;
  /** For one listing. */
  readonly timeoutMs?: number;
  /** For all listings. */
  readonly patienceMs?: number;
  readonly now?: () => number;
}

/** kube-proxy in iptables mode, with 10,000 Services: 70,000 rules, 23 MB, 6 s on a busy machine. */
const maxBytes = 64 << 20;
const maxTables = 64;

/** Lists the tables of other programs, each with its own nft process, so that a crash or hang of nft affects one table only. */
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
        : ({ how: 'timeout', message: 'the time limit of all listings is used up' } as const);
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
        message: `there are ${names.length} tables, and the doctor lists only the first ${maxTables}`,
      });
    } else if (!isPlain(name)) {
      unreadable.push({ subject, how: 'failed', message: 'nft cannot take this name as an argument' });
    } else {
      // -t omits set elements: there may be a million, and no check reads them.
      objects.push(...(await list(subject, ['-j', '-t', 'list', 'table', family, name])));
    }
  }
  return { rules: readForeignRules(objects), unreadable };
}

/** nft parses its arguments as a script, and another program chose the name: it must not inject commands. */
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
    return { how: 'failed', message: `the output of nft is not JSON: ${start}` };
  }
}
