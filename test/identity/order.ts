import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiObject } from '../support/pipeline.ts';

/** What a watch said. */
export interface WatchLine {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ApiObject;
}

/** The list with which a watch began, or began again. */
export interface ListLine {
  readonly type: 'LIST';
  readonly object: { readonly kind: string; readonly items: readonly ApiObject[] };
}

export type OrderLine = WatchLine | ListLine;

export const ordersFolder = join(import.meta.dirname, 'orders');

export function orderNames(): string[] {
  return readdirSync(ordersFolder)
    .filter((file) => file.endsWith('.jsonl'))
    .map((file) => file.slice(0, -'.jsonl'.length))
    .sort();
}

export function readOrder(name: string): OrderLine[] {
  const text = readFileSync(join(ordersFolder, `${name}.jsonl`), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as OrderLine);
}

export function formatOrder(lines: readonly OrderLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
