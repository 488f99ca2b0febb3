import type { ResourceEvent } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';

/** `networkpolicies shop/web` */
export type ObjectName = string;

/** The current issues of each object. An issue is new once, until the object changes (S9.11). */
export class IssueTracker {
  readonly #issues = new Map<ObjectName, readonly Issue[]>();

  receive(event: ResourceEvent): readonly Issue[] {
    if (event.op === 'synced') return [];
    return this.set(`${event.resource} ${event.key}`, event.op === 'upsert' ? event.issues : []);
  }

  /** Replaces the issues of the object. Returns those that it did not have before. */
  set(name: ObjectName, issues: readonly Issue[]): readonly Issue[] {
    if (issues.length === 0) {
      this.#issues.delete(name);
      return issues;
    }
    const known = new Set(this.#issues.get(name)?.map((issue) => JSON.stringify(issue)));
    this.#issues.set(name, issues);
    return issues.filter((issue) => !known.has(JSON.stringify(issue)));
  }

  /** Forgets the objects for which `keep` returns false. */
  retain(keep: (name: ObjectName) => boolean): void {
    for (const name of this.#issues.keys()) if (!keep(name)) this.#issues.delete(name);
  }

  /** All issues with their objects. */
  *all(): Iterable<readonly [ObjectName, Issue]> {
    for (const [name, issues] of this.#issues) for (const issue of issues) yield [name, issue];
  }

  /** The number of issues of each code and effect. */
  counts(): { code: string; effect: string; count: number }[] {
    const counts = new Map<string, { code: string; effect: string; count: number }>();
    for (const issue of [...this.#issues.values()].flat()) {
      const key = `${issue.code} ${issue.effect}`;
      const entry = counts.get(key) ?? { code: issue.code, effect: issue.effect, count: 0 };
      counts.set(key, { ...entry, count: entry.count + 1 });
    }
    return [...counts.values()];
  }
}
