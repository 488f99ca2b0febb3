import { whyNoRequirement } from '../lib/label-syntax.ts';
import type { Requirement, Selector } from '../model/policy.ts';
import type { Field } from './field.ts';

const operators: readonly string[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'] satisfies Requirement['operator'][];

/**
 * Reads a LabelSelector: the valid terms, and whether all terms are valid. The caller decides what an incomplete selector means (S9.7): as a
 * peer it matches nothing; as the subject it isolates the pods that match the valid terms, without allow rules.
 */
export function readSelector(field: Field): ReadSelector {
  return readTerms(field, () => undefined);
}

/**
 * Reads a selector that the API server does not check. A term that a LabelSelector must not have is invalid. Otherwise `In` without values
 * would match no pod, and a `Deny` rule with it would deny nothing (S10.20).
 */
export function readStrictSelector(field: Field): ReadSelector {
  return readTerms(field, whyNoRequirement);
}

interface ReadSelector {
  readonly selector: Selector;
  readonly complete: boolean;
}

function readTerms(field: Field, whyInvalid: typeof whyNoRequirement): ReadSelector {
  if (field.absent) return { selector: [], complete: true };
  let complete = field.hasOnly(['matchLabels', 'matchExpressions'], 'invalid-selector');
  const terms: Requirement[] = [];
  const matchLabels = field.get('matchLabels');
  if (!matchLabels.absent && !matchLabels.isObject) {
    matchLabels.report('invalid-selector', 'must be a map of strings');
    complete = false;
  }
  for (const [key, value] of matchLabels.entries()) {
    const text = typeof value.value === 'string' ? value.value : undefined;
    const problem = text === undefined ? 'must be a string' : whyInvalid(key, 'In', [text]);
    if (text !== undefined && problem === undefined) terms.push({ key, operator: 'In', values: [text] });
    else {
      value.report('invalid-selector', problem ?? 'must be a string');
      complete = false;
    }
  }
  const expressions = field.get('matchExpressions');
  const items = expressions.items();
  if (!items) expressions.report('invalid-selector', 'must be a list');
  if (!items) complete = false;
  for (const item of items ?? []) {
    const term = readRequirement(item, whyInvalid);
    if (term) terms.push(term);
    else complete = false;
  }
  return { selector: terms, complete };
}

function readRequirement(field: Field, whyInvalid: typeof whyNoRequirement): Requirement | undefined {
  if (!field.hasOnly(['key', 'operator', 'values'], 'invalid-selector')) return undefined;
  const key = field.get('key');
  const operator = field.get('operator');
  const values = field.get('values');
  const items = values.items();
  if (typeof key.value !== 'string' || key.value === '') {
    key.report('invalid-selector', 'must be a label key');
    return undefined;
  }
  if (typeof operator.value !== 'string' || !operators.includes(operator.value)) {
    operator.report('invalid-selector', `must be one of ${operators.join(', ')}`);
    return undefined;
  }
  if (!items || items.some((item) => typeof item.value !== 'string')) {
    values.report('invalid-selector', 'must be a list of strings');
    return undefined;
  }
  const texts = items.map((item) => item.value as string);
  const problem = whyInvalid(key.value, operator.value, texts);
  if (problem !== undefined) {
    field.report('invalid-selector', problem);
    return undefined;
  }
  const needsValues = operator.value === 'In' || operator.value === 'NotIn';
  return {
    key: key.value,
    operator: operator.value as Requirement['operator'],
    values: needsValues ? texts : [],
  };
}
