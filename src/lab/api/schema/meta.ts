import {
  anything,
  fieldsOf,
  flag,
  int64,
  list,
  listByKey,
  object,
  setOf,
  text,
  textMap,
  texts,
  type ObjectSchema,
  type Schema,
} from './schema.ts';

const ownerReference = object('OwnerReference', {
  ...fieldsOf(text, 'apiVersion kind name uid'),
  ...fieldsOf(flag, 'controller blockOwnerDeletion'),
});

export const objectMeta = object('ObjectMeta', {
  ...fieldsOf(text, 'name generateName namespace selfLink uid resourceVersion creationTimestamp deletionTimestamp'),
  ...fieldsOf(int64, 'generation deletionGracePeriodSeconds'),
  ...fieldsOf(textMap, 'labels annotations'),
  ownerReferences: listByKey('uid', ownerReference),
  finalizers: setOf(text),
  managedFields: list(anything),
});

export const labelSelector = object('LabelSelector', {
  matchLabels: textMap,
  matchExpressions: list(object('LabelSelectorRequirement', { ...fieldsOf(text, 'key operator'), values: texts })),
});

/** Conditions, which merge by type. */
export const conditions = listByKey('type', anything);

export function topLevel(kind: string, fields: Readonly<Record<string, Schema>>): ObjectSchema {
  return object(kind, { ...fieldsOf(text, 'apiVersion kind'), metadata: objectMeta, ...fields });
}

export const deleteOptions = object('DeleteOptions', {
  ...fieldsOf(text, 'apiVersion kind propagationPolicy'),
  gracePeriodSeconds: int64,
  preconditions: object('Preconditions', fieldsOf(text, 'uid resourceVersion')),
  dryRun: texts,
});
