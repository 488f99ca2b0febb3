import { execa } from 'execa';
import { chainArguments, setArguments } from '../nftables/parse.ts';
import { describeCrash, type Nft } from './nft.ts';
import { NftError, type NftErrorCode } from './nft-error.ts';

/** An nft that stays. What it cannot do is left to the other; nothing is asked of it after `close`. */
export interface NftSession extends Nft {
  close(): void;
}

export interface NftSessionOptions {
  readonly program?: string;
  readonly timeoutMs?: number;
  /** For how long all is left to the other after one that did not do its work. */
  readonly pauseMs?: number;
  /** Told at the beginning of the first such time since one was of use. */
  readonly paused?: (pauseMs: number) => void;
}

/** nft reads what is said to it byte by byte: at twice this, a process of its own is as fast. */
const longestScript = 8192;
/** Some builds of nft remember all that they have read (readline(3), history), so that one is not kept for ever. */
const mostCommands = 1000;

/** How it is started: one that reads commands, a line each, and answers as a listing does. */
const options = ['-n', '-j', '-i'] as const;
/** HOME: where it would write what it has read. TERM: one that it need not look for. */
const environment = { LC_ALL: 'C', HOME: '/nonexistent', TERM: 'dumb' } as const;
/** By then one that is of use has begun to answer. */
const startMs = 2000;
/** What it reads as it is written: of other characters its line editing leaves bytes out. */
const isPlain = /^[\x20-\x7e\n]*$/;

/**
 * Starting a process costs a large agent ten times what nft then does for a small change (K33): the pages of the agent are mapped twice, and nft is
 * linked and asks the kernel for all that it may need. So one nft is kept (`nft -i`), to which small scripts and listings of
 * one object are said, a line each. Only what goes well there counts: whatever it complains of has changed nothing, and is
 * said again to `process`, whose errors are those that are told. After one that does not behave as expected all is left to `process` for a while.
 */
export function openNftSession(
  process: Nft,
  { program = 'nft', timeoutMs = 60_000, pauseMs = 60_000, paused = () => {} }: NftSessionOptions = {},
): NftSession {
  let session: Session | undefined;
  let isClosed = false;
  let pausedUntil = -Infinity;
  let wasOfUse = true;
  let last: Promise<unknown> = Promise.resolve();

  const begin = async (): Promise<Session | undefined> => {
    if (session?.isOpen && session.commands < mostCommands) return session;
    if (session && !session.isOpen) {
      pausedUntil = performance.now() + pauseMs;
      if (wasOfUse) paused(pauseMs);
      wasOfUse = false;
    }
    session?.close();
    session = undefined;
    if (performance.now() < pausedUntil) return undefined;
    session = new Session(program, timeoutMs);
    // One that echoes, prompts or cannot be started is of no use.
    if (await session.answers()) {
      wasOfUse = true;
      return session;
    }
    session.close();
    return begin();
  };
  /** `undefined`: ask the other. */
  const say = (
    line: string,
    form: Form,
    signal: AbortSignal,
    limitMs: number = timeoutMs,
  ): Promise<Answer | undefined> => {
    const turn = last.then(async () => {
      if (isClosed || signal.aborted) return undefined;
      const current = await begin();
      return current?.say(line, form, signal, Math.min(limitMs, timeoutMs));
    });
    last = turn.catch(() => {});
    return turn;
  };
  return {
    ...process,
    async listChain(family, name, signal) {
      const answer = await say(chainArguments(family, name).slice(2).join(' '), 'listing', signal);
      return answer ? answer.text : process.listChain(family, name, signal);
    },
    async listSet(family, name, signal) {
      const answer = await say(setArguments(family, name).slice(2).join(' '), 'listing', signal);
      return answer ? answer.text : process.listSet(family, name, signal);
    },
    async run(script, { check, signal, timeoutMs: limitMs }) {
      const isFit = !check && script.length <= longestScript && isPlain.test(script);
      const done = isFit ? await say(script.trimEnd().replaceAll('\n', '; '), 'script', signal, limitMs) : undefined;
      if (done === undefined) await process.run(script, { check, signal, timeoutMs: limitMs });
    },
    close() {
      isClosed = true;
      session?.close();
    },
  };
}

type Form = 'script' | 'listing';

/** Of a listing what it printed; none where there is no such object. */
interface Answer {
  readonly text: string | undefined;
}

/** What each command is followed by: a word that nft does not know, so that its complaint says that the command is done. */
const mark = 'done';
/** nft says what is wrong, repeats the line and points at the place. */
const markedEnd = new RegExp(`(?:^|\\n)Error: syntax error[^\\n]*\\n${mark}\\n *\\^+\\n$`);

const start = (program: string) => execa(program, options, { env: environment, buffer: false, reject: false });

const texts = {
  timeout: 'nft did not answer in time',
  aborted: 'nft was not waited for',
  crashed: 'nft has ended',
} as const satisfies Partial<Record<NftErrorCode, string>>;

/** One nft, one command at a time. */
class Session {
  readonly #nft: ReturnType<typeof start>;
  readonly #timeoutMs: number;
  #stdout = '';
  #stderr = '';
  #wake = (): void => {};
  isOpen = true;
  commands = 0;

  constructor(program: string, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#nft = start(program);
    this.#nft.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#wake();
    });
    this.#nft.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#wake();
    });
    // What ends it is told by its end.
    this.#nft.stdin.on('error', () => {});
    void this.#nft.then(() => {
      this.isOpen = false;
      this.#wake();
    });
  }

  /** Whether it understands, and says nothing else. What it has to say of its terminal is said before the first answer. */
  async answers(): Promise<boolean> {
    const { signal } = new AbortController();
    try {
      const first = await this.say('', 'script', signal, startMs);
      if (first && first.text !== '') return false;
      return (await this.say('', 'script', signal, startMs))?.text === '';
    } catch {
      return false;
    } finally {
      this.commands = 0;
    }
  }

  close(): void {
    this.isOpen = false;
    this.#nft.stdin.end();
    this.#nft.kill();
  }

  /**
   * What it prints, or `undefined` where it complains, or ends over a listing: then nothing was changed. Rejects with an NftError where a script
   * does not come to an end: all of it or nothing was done.
   */
  async say(
    line: string,
    form: Form,
    signal: AbortSignal,
    timeoutMs: number = this.#timeoutMs,
  ): Promise<Answer | undefined> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, timeoutMs);
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      this.commands++;
      this.#nft.stdin.write(`${line}\n${mark}\n`);
      for (;;) {
        const complaint = this.#complaint;
        if (complaint !== undefined && complaint !== '') return this.#complained(complaint, line, form);
        if (complaint === '' && (form === 'script' || this.#stdout.endsWith('\n'))) return { text: this.#stdout };
        if (!this.isOpen || isLate || signal.aborted) break;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      const failure = isLate ? 'timeout' : signal.aborted ? 'aborted' : 'crashed';
      this.close();
      if (form === 'listing') return undefined;
      throw await this.#failure(failure, line);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      [this.#stdout, this.#stderr] = ['', ''];
    }
  }

  /** Before the mark; `undefined` as long as that has not come. */
  get #complaint(): string | undefined {
    const end = markedEnd.exec(this.#stderr);
    return end ? this.#stderr.slice(0, end.index) : undefined;
  }

  /** A listing may be warned of and come all the same, by the other stream and so later: then nobody knows any more what answers what. */
  #complained(complaint: string, line: string, form: Form): Answer | undefined {
    if (form === 'script') return undefined;
    if (complaint.startsWith('Error: No such file or directory') && complaint.includes(`\n${line}\n`))
      return { text: undefined };
    this.close();
    return undefined;
  }

  async #failure(code: keyof typeof texts, script: string): Promise<NftError> {
    const stderr = this.#stderr;
    const { signal } = await this.#nft;
    const message = code === 'crashed' && signal !== undefined ? describeCrash(signal) : texts[code];
    return new NftError(code, message, { stderr, script });
  }
}
