import type { Issue, IssueCode } from '../model/issue.ts';

/** A value inside an API object, with its path and the list that collects issues. */
export class Field {
  readonly value: unknown;
  readonly #parent: Field | undefined;
  readonly #key: string | number;
  readonly #issues: Issue[];

  constructor(value: unknown, issues: Issue[], parent?: Field, key: string | number = '') {
    this.value = value;
    this.#issues = issues;
    this.#parent = parent;
    this.#key = key;
  }

  /** Built on demand: a policy may have 20,000 valid blocks that never need a path. */
  get path(): string {
    const above = this.#parent?.path ?? '';
    if (typeof this.#key === 'number') return `${above}[${this.#key}]`;
    return above === '' ? this.#key : `${above}.${this.#key}`;
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
    return new Field(value, this.#issues, this, name);
  }

  /** The elements of a list: empty if the value is absent, `undefined` if the value is no list. */
  items(): Field[] | undefined {
    if (this.absent) return [];
    if (!Array.isArray(this.value)) return undefined;
    return this.value.map((item, index) => new Field(item, this.#issues, this, index));
  }

  entries(): [string, Field][] {
    if (!this.isObject) return [];
    return Object.keys(this.value as object).map((name) => [name, this.get(name)]);
  }

  report(code: IssueCode, message: string, effect: Issue['effect'] = 'failed-closed'): void {
    this.#issues.push({ code, path: this.path, message, effect });
  }

  /** S9.9: an unknown field may narrow the element, so an element that has one must not allow anything. */
  hasOnly(known: readonly string[], code: IssueCode): boolean {
    if (!this.isObject) {
      this.report(code, `must be an object`);
      return false;
    }
    const names = Object.keys(this.value as object).filter((name) => !known.includes(name));
    const unknown = names.map((name) => [name, this.get(name)] as const).filter(([, field]) => !field.absent);
    for (const [name, field] of unknown)
      field.report('unknown-field', `unknown field "${name}": the element that contains it matches nothing`);
    return unknown.length === 0;
  }
}
