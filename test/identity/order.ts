import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeFact } from '../../src/model/cluster.ts';
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

/** What a node says itself. */
export interface FactLine {
  readonly type: 'FACT';
  readonly node: string;
  readonly fact: Exclude<NodeFact, { op: 'links' | 'ranges' | 'saved' }>;
}

export type OrderLine = WatchLine | ListLine | FactLine;

export const ordersFolder = join(import.meta.dirname, 'orders');

export function orderNames(): string[] {
  return readdirSync(ordersFolder)
    .filter((file) => file.endsWith('.jsonl'))
    .map((file) => file.slice(0, -'.jsonl'.length))
    .sort();
}

export function readOrder(name: string): OrderLine[] {
  return parseOrder(readFileSync(join(ordersFolder, `${name}.jsonl`), 'utf8'));
}

export function parseOrder(text: string): OrderLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as OrderLine);
}

export function formatOrder(lines: readonly OrderLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
