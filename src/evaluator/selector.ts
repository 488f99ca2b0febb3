import { isJsonObject } from '../lib/json.ts';
import { whyNoRequirement } from '../lib/label-syntax.ts';
import { assertNever } from '../lib/assert.ts';
import { readFields, readList, reportBroken, show } from './reading.ts';
import type { Broken, Report } from './reading.ts';

export type Labels = Readonly<Record<string, string>>;

/** All requirements must hold (S1.2). `matchLabels` entries are `In` with one value. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** The first invalid part. `requirements` holds the valid parts only. */
  readonly broken: Broken | undefined;
}

interface Requirement {
  readonly path: string;
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

/** Reads a LabelSelector. Missing and null mean the empty selector, which matches everything (S1.1). */
export function readSelector(raw: unknown, path: string, report: Report): Selector {
  return readTerms(raw, path, report, () => undefined);
}

/** S10.20: of a ClusterNetworkPolicy. The API server does not check its selectors, so a term that no selector may have is invalid. */
export function readStrictSelector(raw: unknown, path: string, report: Report): Selector {
  return readTerms(raw, path, report, whyNoRequirement);
}

function readTerms(raw: unknown, path: string, report: Report, whyInvalid: typeof whyNoRequirement): Selector {
  const requirements: Requirement[] = [];
  let broken: Broken | undefined;
  const note = (found: Broken): void => {
    broken ??= found;
  };
  if (raw === undefined || raw === null) return { requirements, broken };
  const element = readFields(raw, ['matchLabels', 'matchExpressions'], path, report, 'invalid-selector');
  if (element.kind === 'broken') note(element);
  // The valid parts of a selector with an unknown field still limit which pods the policy isolates (S9.7).
  const fields = isJsonObject(raw) ? raw : {};

  const labels = fields['matchLabels'] ?? {};
  if (isJsonObject(labels)) {
    for (const [key, value] of Object.entries(labels)) {
      const at = `${path}.matchLabels.${key}`;
      const problem = typeof value === 'string' ? whyInvalid(key, 'In', [value]) : undefined;
      if (problem !== undefined) note(reportBroken(report, 'invalid-selector', at, problem));
      else if (typeof value === 'string') requirements.push({ path: at, key, operator: 'In', values: [value] });
      else note(reportBroken(report, 'invalid-selector', at, `a label's value is a string, not ${show(value)}`));
    }
  } else
    note(reportBroken(report, 'invalid-selector', `${path}.matchLabels`, `expected labels, found ${show(labels)}`));

  const expressions = readList(fields['matchExpressions']);
  if (expressions) {
    for (const [index, expression] of expressions.entries()) {
      const read = readRequirement(expression, `${path}.matchExpressions[${index}]`, report, whyInvalid);
      if ('kind' in read) note(read);
      else requirements.push(read);
    }
  } else note(reportBroken(report, 'invalid-selector', `${path}.matchExpressions`, 'expected a list'));
  return { requirements, broken };
}

/** Whether the labels match every requirement. Ignores invalid parts: see `broken`. */
export function selects(selector: Selector, labels: Labels): boolean {
  return selector.requirements.every((requirement) => holds(requirement, labels));
}

/** One text for each requirement that `labels` do not meet. `whose` is the name of the labelled object. */
export function unmetRequirements(selector: Selector, labels: Labels, whose: string): { path: string; text: string }[] {
  return selector.requirements
    .filter((requirement) => !holds(requirement, labels))
    .map((requirement) => ({ path: requirement.path, text: explainUnmet(requirement, labels, whose) }));
}

function readRequirement(
  raw: unknown,
  path: string,
  report: Report,
  whyInvalid: typeof whyNoRequirement,
): Requirement | Broken {
  const element = readFields(raw, ['key', 'operator', 'values'], path, report, 'invalid-selector');
  if (element.kind === 'broken') return element;
  const { key, operator, values } = element.fields;
  const invalid = (field: string, message: string): Broken =>
    reportBroken(report, 'invalid-selector', `${path}.${field}`, message);
  if (typeof key !== 'string' || key === '') return invalid('key', `expected a label key, found ${show(key)}`);
  const known = operators.find((each) => each === operator);
  if (!known) return invalid('operator', `unknown operator ${show(operator)}`);
  const texts = readList(values);
  if (!texts?.every((value) => typeof value === 'string')) return invalid('values', 'expected a list of strings');
  const problem = whyInvalid(key, known, texts);
  if (problem !== undefined) return reportBroken(report, 'invalid-selector', path, problem);
  return { path, key, operator: known, values: texts };
}

/** S3.5. Compares values without validating them (S9.4). */
function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labelOf(labels, key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return assertNever(operator);
  }
}

function explainUnmet({ key, operator, values }: Requirement, labels: Labels, whose: string): string {
  const value = labelOf(labels, key);
  if (operator === 'In' && values.length === 0) return `${key} In [] matches nothing`;
  if (operator === 'In' && value !== undefined)
    return `label ${key} of ${whose} is ${show(value)}, not ${either(values)}`;
  if (operator === 'In') return `${whose} has no label ${key} (wanted: ${either(values)})`;
  if (operator === 'Exists') return `${whose} has no label ${key}`;
  return `label ${key} of ${whose} is ${show(value)}, which the selector excludes`;
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function either(values: readonly string[]): string {
  return values.map(show).join(' or ');
}
