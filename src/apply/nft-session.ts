import { execa } from 'execa';
import { chainArguments, setArguments } from '../nftables/parse.ts';
import { describeCrash, type Nft } from './nft.ts';
import { NftError, type NftErrorCode } from './nft-error.ts';

/** An `Nft` that keeps one nft process. It passes what that process cannot do to another `Nft`, and everything after `close`. */
export interface NftSession extends Nft {
  close(): void;
}

export interface NftSessionOptions {
  readonly program?: string;
  readonly timeoutMs?: number;
  /** How long the session uses only the other `Nft` after a session process has failed, in milliseconds. */
  readonly pauseMs?: number;
  /** Called at the first such pause since a session process last worked. */
  readonly paused?: (pauseMs: number) => void;
}

/** Characters. An interactive nft reads its input byte by byte: at twice this length, a new process is as fast. */
const maxScriptLength = 8192;
/** Some builds of nft keep all their input in memory (readline(3), history), so each process is replaced after this many commands. */
const maxCommands = 1000;

/** Interactive mode: nft reads one command a line and prints listings as JSON. */
const options = ['-n', '-j', '-i'] as const;
/** nft would write its history below HOME. TERM=dumb needs no terminal database. */
const environment = { LC_ALL: 'C', HOME: '/nonexistent', TERM: 'dumb' } as const;
/** A working nft answers within this many milliseconds. */
const startMs = 2000;
/** nft's line editing drops bytes of other characters. */
const isPlain = /^[\x20-\x7e\n]*$/;

/**
 * For a large agent, starting a process costs ten times what nft needs for a small change (K33): the kernel maps the agent's pages twice, and nft is
 * linked and queries the kernel. So the session keeps one `nft -i` and sends it small scripts and listings of one object, a line each. If nft
 * reports an error, nothing has changed. The session then repeats the command with `process`, and reports the errors of `process`. After a session
 * process that fails or behaves unexpectedly, the session uses only `process` for `pauseMs`.
 */
export function openNftSession(
  process: Nft,
  { program = 'nft', timeoutMs = 60_000, pauseMs = 60_000, paused = () => {} }: NftSessionOptions = {},
): NftSession {
  let session: Session | undefined;
  let isClosed = false;
  let pausedUntil = -Infinity;
  let hasWorked = true;
  let last: Promise<unknown> = Promise.resolve();

  const begin = async (): Promise<Session | undefined> => {
    if (session?.isOpen && session.commands < maxCommands) return session;
    if (session && !session.isOpen) {
      pausedUntil = performance.now() + pauseMs;
      if (hasWorked) paused(pauseMs);
      hasWorked = false;
    }
    session?.close();
    session = undefined;
    if (performance.now() < pausedUntil) return undefined;
    session = new Session(program, timeoutMs);
    // An nft that echoes, prompts or cannot be started cannot be used.
    if (await session.answers()) {
      hasWorked = true;
      return session;
    }
    session.close();
    return begin();
  };
  /** Resolves with `undefined` if `process` must do it. */
  const send = (
    line: string,
    form: Form,
    signal: AbortSignal,
    limitMs: number = timeoutMs,
  ): Promise<Answer | undefined> => {
    const turn = last.then(async () => {
      if (isClosed || signal.aborted) return undefined;
      const current = await begin();
      return current?.send(line, form, signal, Math.min(limitMs, timeoutMs));
    });
    last = turn.catch(() => {});
    return turn;
  };
  return {
    ...process,
    async listChain(family, name, signal) {
      const answer = await send(chainArguments(family, name).slice(2).join(' '), 'listing', signal);
      return answer ? answer.text : process.listChain(family, name, signal);
    },
    async listSet(family, name, signal) {
      const answer = await send(setArguments(family, name).slice(2).join(' '), 'listing', signal);
      return answer ? answer.text : process.listSet(family, name, signal);
    },
    async run(script, { check, signal, timeoutMs: limitMs }) {
      const isFit = !check && script.length <= maxScriptLength && isPlain.test(script);
      const done = isFit ? await send(script.trimEnd().replaceAll('\n', '; '), 'script', signal, limitMs) : undefined;
      if (done === undefined) await process.run(script, { check, signal, timeoutMs: limitMs });
    },
    close() {
      isClosed = true;
      session?.close();
    },
  };
}

type Form = 'script' | 'listing';

/** The output of a listing; `undefined` if the object does not exist. */
interface Answer {
  readonly text: string | undefined;
}

/** Sent after each command. It is no nft command, so nft reports a syntax error for it, and that shows that the command before has ended. */
const mark = 'done';
/** nft prints the error, repeats the line and marks the place with carets. nft 1.1.7 also lists what it expected. */
const markedEnd = new RegExp(
  `(?:^|\\n)Error: syntax error[^\\n]*\\n(?:expected any of: [^\\n]*\\n)?${mark}\\n *\\^+\\n$`,
);

const start = (program: string) => execa(program, options, { env: environment, buffer: false, reject: false });

const texts = {
  timeout: 'nft did not answer in time',
  aborted: 'the agent stopped waiting for nft',
  crashed: 'nft ended',
} as const satisfies Partial<Record<NftErrorCode, string>>;

/** One nft process, one command at a time. */
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
    // The end of the process reports the error.
    this.#nft.stdin.on('error', () => {});
    void this.#nft.then(() => {
      this.isOpen = false;
      this.#wake();
    });
  }

  /** Whether nft answers as expected and prints nothing else. It may print warnings about its terminal before the first answer. */
  async answers(): Promise<boolean> {
    const { signal } = new AbortController();
    try {
      const first = await this.send('', 'script', signal, startMs);
      if (first && first.text !== '') return false;
      return (await this.send('', 'script', signal, startMs))?.text === '';
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
   * Resolves with nft's output, or with `undefined` if nft reports an error or ends during a listing: then nothing has changed. Rejects with an NftError
   * if nft does not finish a script: the kernel then applied all of it or nothing.
   */
  async send(
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
        const errors = this.#errors;
        if (errors !== undefined && errors !== '') return this.#handleErrors(errors, line, form);
        if (errors === '' && (form === 'script' || this.#stdout.endsWith('\n'))) return { text: this.#stdout };
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

  /** nft's error output before the mark; `undefined` until nft has reported the mark. */
  get #errors(): string | undefined {
    const end = markedEnd.exec(this.#stderr);
    return end ? this.#stderr.slice(0, end.index) : undefined;
  }

  /** nft may print a warning and later still print the listing, on the other stream. Then outputs and commands no longer match, so the session closes. */
  #handleErrors(errors: string, line: string, form: Form): Answer | undefined {
    if (form === 'script') return undefined;
    if (errors.startsWith('Error: No such file or directory') && errors.includes(`\n${line}\n`))
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
