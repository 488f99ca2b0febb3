import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeFact } from '../../src/model/cluster.ts';
import type { LinkDescriptions } from '../../src/sandboxes/link.ts';
import { watchSandboxes, type SandboxWatchOptions } from '../../src/sandboxes/sandboxes.ts';

/** Every device that is asked about is a veth of its own, but for those whose name says otherwise. */
export async function describeVeths(names: readonly string[]): Promise<LinkDescriptions> {
  return new Map(names.filter((name) => !name.startsWith('gone')).map((name) => [name, { kind: 'veth' }]));
}

/** A watch of a folder that the test writes to, and all that it tells, a line each. */
export class Watched {
  readonly lines: string[] = [];
  readonly facts: NodeFact[] = [];
  readonly #ending = new AbortController();
  #run: Promise<void> | undefined;

  /** By default only the kernel's word counts: the next round is far away. */
  start(directory: string, options: Partial<SandboxWatchOptions> = {}): void {
    const observer = {
      listed: (sandboxes: number) => this.lines.push(`listed ${sandboxes}`),
      lost: (message: string) => this.lines.push(`lost: ${message}`),
      problem: (file: string, message: string) => this.lines.push(`${file} ${message}`),
      degraded: (message: string) => this.lines.push(`degraded: ${message}`),
    };
    const { signal } = this.#ending;
    const all = { directory, describeLinks: describeVeths, observer, signal, roundMs: 3_600_000, ...options };
    this.#run = watchSandboxes(all, (fact) => {
      this.facts.push(fact);
      this.lines.push(describeFact(fact));
    });
  }

  /** What has been told since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#run;
  }
}

export async function makeFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'postern-sandboxes-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

function describeFact(fact: NodeFact): string {
  if (fact.op === 'ranges') return `ranges ${fact.cidrs.join()}`;
  if (fact.op !== 'sandbox') return fact.op;
  if (!fact.value) return `${fact.id} ended`;
  const { id, name, addresses, live, link } = fact.value;
  const port = link && (link.port === undefined ? link.device : `${link.device}/${link.port}`);
  return [id, name, addresses.join(), live ? (port ?? 'somewhere') : 'dead'].join(' ');
}
