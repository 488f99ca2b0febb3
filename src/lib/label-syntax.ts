const name = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const prefix = /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/;

/** Whether the API takes the text as a label key: a name, or a DNS name, a slash and a name (k8s.io/apimachinery pkg/util/validation). */
function isLabelKey(text: string): boolean {
  const parts = text.split('/');
  const [first, second] = parts as [string, string?];
  if (parts.length > 2) return false;
  return second === undefined ? name.test(first) : first.length <= 253 && prefix.test(first) && name.test(second);
}

function isLabelValue(text: string): boolean {
  return text === '' || name.test(text);
}

/** Why `LabelSelectorAsSelector` of apimachinery refuses a requirement; `undefined` if it does not. */
export function whyNoRequirement(key: string, operator: string, values: readonly string[]): string | undefined {
  const needsValues = operator === 'In' || operator === 'NotIn';
  if (!isLabelKey(key)) return 'has a key that is no label key';
  if (needsValues && values.length === 0) return `has no values, which ${operator} needs`;
  if (!needsValues && values.length > 0) return `has values, which ${operator} does not take`;
  return values.every(isLabelValue) ? undefined : 'has a value that is no label value';
}
