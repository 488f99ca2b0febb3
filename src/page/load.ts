import { signal } from '@preact/signals';
import type { PageData } from '../map/page-data.ts';
import { data } from './state.ts';

/** Between two questions; longer if the page needs long to read an answer. */
const leastPause = 5000;
/** An answer may cost the page this part of the time. */
const busyPart = 0.1;
const mostErrorText = 300;

/** Why the last question failed. */
export const failure = signal<string | undefined>(undefined);
export const isPaused = signal(false);
/** True in an exported file: there is nothing to ask. */
export const isExport = signal(false);
/** Now, in steps of a second. */
export const now = signal(Date.now());

let etag: string | undefined;
let pause = leastPause;
let timer: ReturnType<typeof setTimeout> | undefined;
let isAsking = false;

/** Reads the data in the page, or asks the server for it again and again. */
export function startLoading(): void {
  setInterval(() => (now.value = Date.now()), 1000);
  const inside = document.getElementById('postern-data')?.textContent;
  if (inside !== undefined) {
    isExport.value = true;
    data.value = JSON.parse(inside) as PageData;
    return;
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void ask();
  });
  void ask();
}

export function setPaused(paused: boolean): void {
  isPaused.value = paused;
  if (!paused) void ask();
}

async function ask(): Promise<void> {
  if (isAsking || isPaused.value || (document.hidden && data.value)) return;
  isAsking = true;
  clearTimeout(timer);
  const headers: Record<string, string> = etag === undefined ? {} : { 'If-None-Match': etag };
  try {
    const response = await fetch('data', { headers, cache: 'no-store' });
    if (response.status !== 304) await take(response);
    failure.value = undefined;
  } catch (error) {
    failure.value = error instanceof Error ? error.message : String(error);
  } finally {
    isAsking = false;
    timer = setTimeout(() => void ask(), pause);
  }
}

async function take(response: Response): Promise<void> {
  if (!response.ok) {
    const text = (await response.text()).slice(0, mostErrorText).trim();
    throw new Error(`HTTP ${response.status}${text === '' ? '' : `: ${text}`}`);
  }
  const answer = (await response.json()) as PageData;
  const started = performance.now();
  data.value = answer;
  // The signals have drawn the page by now.
  pause = Math.max(leastPause, (performance.now() - started) / busyPart);
  etag = response.headers.get('ETag') ?? undefined;
}
