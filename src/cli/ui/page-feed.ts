import { createHash } from 'node:crypto';
import { messageOf } from '../../lib/message-of.ts';
import { printable } from '../../lib/printable.ts';
import type { PageData } from '../../map/page-data.ts';
import type { DataAnswer } from './page-server.ts';
import { SharedRead, type Clocks } from './shared-read.ts';

/** A part of what the page shows. */
export type PagePart = Partial<Omit<PageData, 'source' | 'readAt'>>;

export interface PartReader {
  /** `the objects`, for notes. */
  readonly name: string;
  readonly read: () => Promise<PagePart>;
  /** Milliseconds from one read to the next, at least. */
  readonly pauseMs: number;
  /** The page is shown before this part is there. */
  readonly isSlow?: true;
}

export interface FeedOptions extends Clocks {
  /** Resolves when who asks has waited long enough for a read that runs, and gets what was read before. */
  readonly patience: () => Promise<unknown>;
}

/** What the page shows, read again when somebody asks. Parts are read one after the other, as a later one may need an earlier one. */
export class PageFeed {
  readonly #source: PageData['source'];
  readonly #parts: readonly (PartReader & { readonly shared: SharedRead<PagePart> })[];
  readonly #patience: FeedOptions['patience'];
  #answer: (DataAnswer & { readonly version: string }) | undefined;

  constructor(source: PageData['source'], parts: readonly PartReader[], { patience, ...clocks }: FeedOptions) {
    this.#source = source;
    this.#parts = parts.map((part) => ({ ...part, shared: new SharedRead(part.read, part.pauseMs, clocks) }));
    this.#patience = patience;
  }

  /** Reads all parts once. Rejects if the first one fails: without it there is nothing to show. */
  async begin({ waitsForSlow = false } = {}): Promise<void> {
    const [first] = this.#parts;
    await first?.shared.refresh();
    if (first && 'failure' in first.shared.state) throw first.shared.state.failure;
    await this.#refresh(waitsForSlow);
  }

  async latest(): Promise<DataAnswer> {
    await Promise.race([this.#refresh(false), this.#patience()]);
    const version = this.#parts.map(({ shared }) => shared.state.reads).join();
    if (this.#answer?.version !== version) this.#answer = { ...encode(this.data()), version };
    return this.#answer;
  }

  data(): PageData {
    const parts = this.#parts.flatMap(({ shared }) => shared.state.last?.value ?? []);
    const times = this.#parts.flatMap(({ shared, isSlow }) => (isSlow ? [] : (shared.state.last?.at ?? [])));
    return {
      source: this.#source,
      readAt: new Date(Math.min(...times)).toISOString(),
      ...(parts.some(({ shows }) => shows === 'part') && { shows: 'part' }),
      objects: parts.flatMap(({ objects = [] }) => objects),
      histories: parts.flatMap(({ histories = [] }) => histories),
      findings: parts.flatMap(({ findings = [] }) => findings),
      notes: [...parts.flatMap(({ notes = [] }) => notes), ...this.#parts.flatMap(describeState)],
    };
  }

  async #refresh(waitsForSlow: boolean): Promise<void> {
    for (const { shared, isSlow } of this.#parts) {
      const reading = shared.refresh();
      if (!isSlow || waitsForSlow) await reading;
    }
  }
}

function describeState({ name, shared: { state } }: { name: string; shared: SharedRead<PagePart> }): string[] {
  const { last, failure } = state;
  if (failure !== undefined) {
    const what = last ? `as of ${new Date(last.at).toISOString()}, because the last try failed` : 'missing';
    return [`${name}: ${what}: ${printable(messageOf(failure))}`];
  }
  return last ? [] : [`${name}: not read yet`];
}

/** The etag does not change with the time of a read that found nothing new. */
function encode({ readAt, ...rest }: PageData): DataAnswer {
  const json = JSON.stringify(rest);
  const etag = `"${createHash('sha256').update(json).digest('base64url')}"`;
  return { json: `{"readAt":${JSON.stringify(readAt)},${json.slice(1)}`, etag };
}
