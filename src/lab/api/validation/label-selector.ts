import { listAt, objectAt, textAt, type JsonObject } from '../object.ts';
import { forbiddenField, invalidValue, required, type FieldError } from './field-error.ts';
import { checkLabelValue, checkQualifiedName } from './names.ts';
import { validateLabels } from './metadata.ts';

/** k8s.io/apimachinery/pkg/apis/meta/v1/validation: ValidateLabelSelector. */
export function validateLabelSelector(selector: JsonObject, field: string): FieldError[] {
  const labels = objectAt(selector, 'matchLabels') as Record<string, string> | undefined;
  return [
    ...validateLabels(labels, `${field}.matchLabels`),
    ...listAt(selector, 'matchExpressions').flatMap((each, i) =>
      validateRequirement(each, `${field}.matchExpressions[${i}]`),
    ),
  ];
}

function validateRequirement(requirement: unknown, field: string): FieldError[] {
  const operator = textAt(requirement, 'operator') ?? '';
  const key = textAt(requirement, 'key') ?? '';
  const values = listAt(requirement, 'values') as string[];
  const errors: FieldError[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(
        forbiddenField(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
    }
  } else errors.push(invalidValue(`${field}.operator`, operator, 'not a valid selector operator'));
  for (const why of checkQualifiedName(key)) errors.push(invalidValue(`${field}.key`, key, why));
  for (const [i, value] of values.entries()) {
    for (const why of checkLabelValue(value)) errors.push(invalidValue(`${field}.values[${i}]`, value, why));
  }
  return errors;
}
