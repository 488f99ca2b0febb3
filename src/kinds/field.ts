import type { Issue, IssueCode } from '../model/issue.ts';

/** A value of an object with its path, and the list that takes what is wrong with it. */
export class Field {
  readonly value: unknown;
  readonly path: string;
  readonly #issues: Issue[];

  constructor(value: unknown, path: string, issues: Issue[]) {
    this.value = value;
    this.path = path;
    this.#issues = issues;
  }

  /** Absent and null are the same (S2.7). */
  get absent(): boolean {
    return this.value === undefined || this.value === null;
  }

  get isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  get(name: string): Field {
    const value =
      this.isObject && Object.hasOwn(this.value as object, name)
        ? (this.value as Record<string, unknown>)[name]
        : undefined;
    return new Field(value, this.path === '' ? name : `${this.path}.${name}`, this.#issues);
  }

  /** The elements of a list; none if it is absent; `undefined` if it is no list. */
  items(): Field[] | undefined {
    if (this.absent) return [];
    if (!Array.isArray(this.value)) return undefined;
    return this.value.map((item, index) => new Field(item, `${this.path}[${index}]`, this.#issues));
  }

  entries(): [string, Field][] {
    if (!this.isObject) return [];
    return Object.keys(this.value as object).map((name) => [name, this.get(name)]);
  }

  report(code: IssueCode, message: string, effect: Issue['effect'] = 'failed-closed'): void {
    this.#issues.push({ code, path: this.path, message, effect });
  }

  /** S9.9: a field that we do not know may restrict what the element means, so the element must not allow. */
  hasOnly(known: readonly string[], code: IssueCode): boolean {
    if (!this.isObject) {
      this.report(code, `must be an object`);
      return false;
    }
    const unknown = this.entries().filter(([name, field]) => !known.includes(name) && !field.absent);
    for (const [name, field] of unknown)
      field.report('unknown-field', `unknown field "${name}": what contains it matches nothing`);
    return unknown.length === 0;
  }
}
