import { isDeepStrictEqual } from 'node:util';
import type { KindRules } from '../kinds/kind-rules.ts';
import type { ApiObject } from '../object.ts';
import { forbiddenField, invalidValue, required, tooLong, type FieldError } from './field-error.ts';
import { checkDnsLabel, checkDnsSubdomain, checkLabelValue, checkQualifiedName } from './names.ts';

const annotationsLimit = 256 * 1024;

interface NamingRules {
  readonly namespaced: boolean;
  readonly rules: KindRules;
}

/** k8s.io/apimachinery/pkg/api/validation: ValidateObjectMeta. */
export function validateMetadata({ namespaced, rules }: NamingRules, { metadata }: ApiObject): FieldError[] {
  const errors: FieldError[] = [];
  const checkName = rules.checkName ?? checkDnsSubdomain;
  if (metadata.generateName) {
    // A generateName may end in a hyphen, because a suffix follows.
    const stem = metadata.generateName.replace(/-$/, 'a');
    for (const why of checkName(stem)) errors.push(invalidValue('metadata.generateName', metadata.generateName, why));
  }
  if (!metadata.name) errors.push(required('metadata.name', 'name or generateName is required'));
  else for (const why of checkName(metadata.name)) errors.push(invalidValue('metadata.name', metadata.name, why));
  if (namespaced) {
    for (const why of checkDnsLabel(metadata.namespace!)) {
      errors.push(invalidValue('metadata.namespace', metadata.namespace, why));
    }
  }
  errors.push(...validateLabels(metadata.labels, 'metadata.labels'));
  errors.push(...validateAnnotations(metadata.annotations, 'metadata.annotations'));
  for (const [i, finalizer] of (metadata.finalizers ?? []).entries()) {
    for (const why of checkQualifiedName(finalizer)) {
      errors.push(invalidValue(`metadata.finalizers[${i}]`, finalizer, why));
    }
  }
  return errors;
}

export function validateMetadataUpdate(object: ApiObject, previous: ApiObject): FieldError[] {
  const errors = immutable('metadata.name', object.metadata.name, previous.metadata.name);
  if (previous.metadata.deletionTimestamp !== undefined) {
    const known = previous.metadata.finalizers ?? [];
    const added = (object.metadata.finalizers ?? []).filter((each) => !known.includes(each));
    if (added.length > 0) {
      const listed = `[]string{${added.map((each) => JSON.stringify(each)).join(', ')}}`;
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${listed}`;
      errors.push(forbiddenField('metadata.finalizers', detail));
    }
  }
  return errors;
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const why of checkQualifiedName(key)) errors.push(invalidValue(field, key, why));
    for (const why of checkLabelValue(value)) errors.push(invalidValue(field, value, why));
  }
  return errors;
}

function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, field: string): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    // The real server compares annotation keys in lower case.
    for (const why of checkQualifiedName(key.toLowerCase())) errors.push(invalidValue(field, key, why));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > annotationsLimit) errors.push(tooLong(field, annotationsLimit));
  return errors;
}

export function immutable(field: string, value: unknown, previous: unknown): FieldError[] {
  return isDeepStrictEqual(value, previous) ? [] : [invalidValue(field, value, 'field is immutable')];
}
