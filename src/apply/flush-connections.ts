import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import {
  families,
  familyOf,
  formatAddress,
  holdsAddress,
  mergeRanges,
  parseAddress,
  parseCidr,
} from '../model/address.ts';
import type { AddressRange, Family } from '../model/address.ts';

interface FlushOptions {
  /** A name on the PATH, or a path. */
  readonly program?: string;
  /** For the whole flush, in milliseconds. One listing of 100,000 entries takes a third of a second. */
  readonly timeoutMs?: number;
}

/** Characters of conntrack's error output that a message may have. */
const longestMessage = 1000;

interface RunOptions {
  /** A file descriptor. */
  readonly stdin?: number;
  readonly onLine?: (line: string) => void;
}

type Run = (args: readonly string[], options?: RunOptions) => Promise<void>;

/**
 * Deletes the conntrack entries that name one of the addresses in either tuple. Returns the addresses within `ranges` that entries still name.
 * Rejects, with a text for operators, if some entries may be left.
 *
 * conntrack(8) cannot ask the kernel for the entries of an address: each deletion lists the whole table. So one listing serves all addresses.
 * What it finds expires by its tuple, which is one lookup for each. A packet that is being tracked at that moment can extend its entry again. So
 * a second listing finds what is left, and that is deleted by address. Then a third one finds the addresses that entries still name.
 */
export type FlushConnections = (
  addresses: readonly string[],
  ranges: readonly string[],
) => Promise<ReadonlySet<string>>;

export function createFlushConnections({
  program = 'conntrack',
  timeoutMs = 30_000,
}: FlushOptions = {}): FlushConnections {
  return async (addresses, ranges) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const run: Run = (args, options = {}) => runConntrack(program, args, signal, options);
    const watched = mergeRanges(ranges.flatMap((range) => parseCidr(range) ?? []));
    const flushes = families.map(async (family) => {
      const targets = new Set(addresses.filter((address) => familyOf(address) === family));
      if (targets.size === 0 && !watched.some((range) => range.family === family)) return [];
      return [...(await flushFamily({ family, targets, watched, run }))];
    });
    return new Set((await allDone(flushes)).flat());
  };
}

interface FamilyFlush {
  readonly family: Family;
  readonly targets: ReadonlySet<string>;
  readonly watched: readonly AddressRange[];
  readonly run: Run;
}

/** Returns the addresses within `watched` that entries still name. */
async function flushFamily({ family, targets, watched, run }: FamilyFlush): Promise<ReadonlySet<string>> {
  let seen = new Set<string>();
  const list = async (onEntry: (words: readonly string[]) => void): Promise<void> => {
    seen = new Set();
    // `save`: each entry as the command that would load it again.
    await run(['-L', '-f', family, '-o', 'save'], {
      onLine(line) {
        const words = line.split(' ');
        if (words.some((word) => targets.has(word))) onEntry(words);
        if (watched.length === 0) return;
        words.forEach((word, index) => {
          const value = words[index + 1];
          if (value !== undefined && word in places) seen.add(value);
        });
      },
    });
  };
  // New strings: a part of a string keeps the whole chunk of the listing in memory.
  const watchedOf = (values: ReadonlySet<string>): ReadonlySet<string> => {
    const addresses = [...values].flatMap((value) => parseAddress(value) ?? []);
    const named = addresses.filter((address) => holdsAddress(watched, address));
    return new Set(named.map((address) => formatAddress(address.family, address.value)));
  };
  // A pod can have all entries of the table: each is one line here, and nothing else.
  const expiries = new TextBlocks();
  await list((words) => expiries.add(`${expiryOf(words)}\n`));
  if (expiries.isEmpty) return watchedOf(seen);
  // If that fails, the entries are left.
  await expire(expiries.blocks(), run).catch(() => undefined);
  // A new entry can only be the node's own, which makes it again: the gate drops all else.
  const deletions = new Map<string, readonly string[]>();
  await list((words) => {
    for (const place of placesOf(words, targets)) deletions.set(place.join(' '), place);
  });
  for (const place of deletions.values()) await run(['-D', '-f', family, ...place]);
  // The second listing has seen what is deleted now.
  if (deletions.size > 0 && watched.length > 0) await list(() => {});
  return watchedOf(seen);
}

/** Texts, joined into few strings. */
class TextBlocks {
  readonly #blocks: string[] = [];
  #last: string[] = [];

  add(text: string): void {
    if (this.#last.push(text) === 1000) this.#join();
  }

  get isEmpty(): boolean {
    return this.#blocks.length === 0 && this.#last.length === 0;
  }

  blocks(): readonly string[] {
    this.#join();
    return this.#blocks;
  }

  #join(): void {
    this.#blocks.push(this.#last.join(''));
    this.#last = [];
  }
}

/** `-g` and `-n` stand in place of `-r` and `-q` where the entry has NAT. */
const places: Readonly<Record<string, string>> = {
  '-s': '--orig-src',
  '-d': '--orig-dst',
  '-r': '--reply-src',
  '-g': '--reply-src',
  '-q': '--reply-dst',
  '-n': '--reply-dst',
};
const keysOfTuple = new Set([
  ...['-s', '-d', '-p', '--sport', '--dport', '--srckey', '--dstkey', '-w', '--orig-zone'],
  ...['--icmp-type', '--icmp-code', '--icmp-id', '--icmpv6-type', '--icmpv6-code', '--icmpv6-id'],
]);

/**
 * Options that conntrack requires for a protocol. Any value does, since the kernel finds the entry by its tuple, and conntrack cannot read all states that it prints. A kernel
 * that does not know a protocol tracks it without ports: Linux 7.3 knows neither UDP-Lite nor DCCP.
 */
const requiredOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tcp: { '--state': 'ESTABLISHED' },
  sctp: { '--state': 'ESTABLISHED', '--orig-vtag': '1', '--reply-vtag': '1' },
  udplite: { '--sport': '0', '--dport': '0' },
  dccp: { '--sport': '0', '--dport': '0', '--state': 'OPEN', '--role': 'client' },
};

/** The command that makes the entry expire now. It names only the tuple of the original direction, by which the kernel finds the entry. */
function expiryOf(words: readonly string[]): string {
  const tuple: Record<string, string> = {};
  for (let index = 1; index + 1 < words.length; index += 2) {
    const [key, value] = [words[index]!, words[index + 1]!];
    if (keysOfTuple.has(key)) tuple[key] = value;
  }
  // conntrack knows the options of a protocol only after its name.
  const { '-p': protocol = '', ...others } = tuple;
  return ['-A', '-t', '0', '-p', protocol, ...Object.entries({ ...requiredOf[protocol], ...others }).flat()].join(' ');
}

/** Each place where the entry names one of the addresses, as a condition of `conntrack -D`. */
function placesOf(words: readonly string[], addresses: ReadonlySet<string>): (readonly string[])[] {
  return words.flatMap((key, index) => {
    const [place, value] = [places[key], words[index + 1]];
    return place !== undefined && value !== undefined && addresses.has(value) ? [[place, value]] : [];
  });
}

/** O_TMPFILE of open(2). Node has no constant for it. */
const withoutName = constants.O_RDWR | constants.O_DIRECTORY | 0o20000000;

/**
 * conntrack opens its input by path. That fails for a socket, which Node gives its children as standard input. So it gets a file, in memory, since the
 * root file system is read-only.
 */
async function expire(commands: readonly string[], run: Run): Promise<void> {
  await using file = await open('/dev/shm', withoutName, 0o600);
  await file.writeFile(commands);
  await run(['-R', '/dev/stdin'], { stdin: file.fd });
}

async function runConntrack(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  { stdin, onLine }: RunOptions,
): Promise<void> {
  const child = spawn(program, args, { stdio: [stdin ?? 'ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
  let rest = '';
  // Line by line: the listing of a large table is tens of megabytes.
  child.stdout!.setEncoding('latin1').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    if (onLine) for (const line of lines) onLine(line);
  });
  let said = '';
  child.stderr!.setEncoding('latin1').on('data', (chunk: string) => (said = (said + chunk).slice(0, longestMessage)));
  const [code] = (await once(child, 'close').catch((cause: NodeJS.ErrnoException) => {
    const why = signal.aborted
      ? `conntrack ${args[0]} did not end in time`
      : 'conntrack cannot be used: install conntrack';
    throw new Error(`${why} (${cause.message})`, { cause });
  })) as [number | null];
  // It also fails if there was nothing to delete.
  if (code !== 0 && !said.includes(': 0 flow entries have been deleted')) {
    throw new Error(`conntrack ${args.join(' ')} failed: ${said.trim().split('\n')[0]}`);
  }
}

/** Waits for all of them, also if one fails. */
async function allDone<T>(runs: Iterable<Promise<T>>): Promise<T[]> {
  const results = await Promise.allSettled(runs);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
