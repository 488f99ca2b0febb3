import { badRequest } from './status.ts';
import { listAt, objectAt, textAt, type ApiObject } from './object.ts';
import { isLabelKey, isLabelValue } from './validation/names.ts';

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

type Labels = Readonly<Record<string, string>>;

const equality = /^(?<key>[^\s!=,()]+)\s*(?<operator>==|=|!=)\s*(?<value>[^\s!=,()]*)$/;
const setBased = /^(?<key>[^\s!=,()]+)\s+(?<operator>in|notin)\s*\((?<values>[^()]*)\)$/;
const presence = /^(?<operator>!?)\s*(?<key>[^\s!=,()]+)$/;

/**
 * Parses a label selector in query form, for example `app=web,tier in (a, b),!old`. Returns its predicate; '' selects all. Throws 400.
 */
export function parseLabelSelector(text: string): (object: ApiObject) => boolean {
  const requirements = splitOutsideParentheses(text).map(parseRequirement);
  return (object) => requirements.every((requirement) => isMet(requirement, object.metadata.labels ?? {}));
}

/** Whether a valid metav1.LabelSelector selects these labels; an empty one selects all. */
export function selectsLabels(selector: unknown, labels: Labels): boolean {
  const equal = Object.entries(objectAt(selector, 'matchLabels') ?? {}).map(([key, value]): Requirement => {
    return { key, operator: 'In', values: [value as string] };
  });
  const expressions = listAt(selector, 'matchExpressions').map((each): Requirement => {
    const operator = textAt(each, 'operator') as Requirement['operator'];
    return { key: textAt(each, 'key')!, operator, values: listAt(each, 'values') as string[] };
  });
  return [...equal, ...expressions].every((requirement) => isMet(requirement, labels));
}

function isMet({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
  }
}

function parseRequirement(text: string): Requirement {
  const requirement = readRequirement(text);
  if (!requirement) throw badRequest(`unable to parse requirement: ${JSON.stringify(text)}`);
  const wrongKey = !isLabelKey(requirement.key);
  const wrong = wrongKey ? requirement.key : requirement.values.find((value) => !isLabelValue(value));
  if (wrong !== undefined) {
    throw badRequest(
      `unable to parse requirement: invalid label ${wrongKey ? 'key' : 'value'} ${JSON.stringify(wrong)}`,
    );
  }
  return requirement;
}

function readRequirement(text: string): Requirement | undefined {
  const equal = equality.exec(text)?.groups;
  if (equal) return { key: equal.key!, operator: equal.operator === '!=' ? 'NotIn' : 'In', values: [equal.value!] };
  const set = setBased.exec(text)?.groups;
  if (set) {
    const values = set.values!.split(',').map((value) => value.trim());
    return { key: set.key!, operator: set.operator === 'in' ? 'In' : 'NotIn', values };
  }
  const present = presence.exec(text)?.groups;
  return present && { key: present.key!, operator: present.operator === '!' ? 'DoesNotExist' : 'Exists', values: [] };
}

function splitOutsideParentheses(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}
