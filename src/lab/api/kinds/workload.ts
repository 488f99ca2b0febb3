import { selectsLabels } from '../label-selector.ts';
import { isJsonObject, objectAt, textAt, type ApiObject, type JsonObject } from '../object.ts';
import { invalidGoValue, notSupported, required, type FieldError } from '../validation/field-error.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { immutable, validateLabels } from '../validation/metadata.ts';
import { validatePodSpec } from '../validation/pod.ts';
import type { KindRules } from './kind-rules.ts';
import { setPodSpecDefaults } from './pod.ts';

/** Deployments, ReplicaSets, StatefulSets and DaemonSets: the selector must match the template. */
export function controllerRules({ replicas }: { replicas: boolean }): KindRules {
  return {
    prepareCreate: clearStatus,
    setDefaults(object) {
      object.spec ??= {};
      const spec = object.spec as JsonObject;
      if (replicas) spec.replicas ??= 1;
      setTemplateDefaults(spec, 'Always');
    },
    validate(object) {
      const labels = (objectAt(object, 'spec', 'template', 'metadata', 'labels') ?? {}) as Record<string, string>;
      const selector = objectAt(object, 'spec', 'selector');
      const errors = selector ? validateLabelSelector(selector, 'spec.selector') : [required('spec.selector', '')];
      const usable = selector !== undefined && errors.length === 0;
      if (usable && !selectsLabels(selector, labels)) {
        const why = '`selector` does not match template `labels`';
        errors.push(invalidGoValue('spec.template.metadata.labels', 'map[string]string', labels, why));
      }
      return [...errors, ...validateTemplate(object, ['spec'], ['Always'])];
    },
    validateUpdate: (object, previous) =>
      immutable('spec.selector', objectAt(object, 'spec', 'selector'), objectAt(previous, 'spec', 'selector')),
  };
}

/** Jobs (`path` is `spec`) and CronJobs (the spec of their template). The server generates their selector. */
export function jobRules(path: readonly string[]): KindRules {
  return {
    prepareCreate: clearStatus,
    setDefaults(object) {
      const spec = objectAt(object, ...path);
      if (spec) setTemplateDefaults(spec, undefined);
    },
    validate: (object) => validateTemplate(object, path, ['Never', 'OnFailure']),
  };
}

function clearStatus(object: ApiObject): void {
  object.status = {};
}

function setTemplateDefaults(spec: JsonObject, restartPolicy: string | undefined): void {
  const podSpec = objectAt(spec, 'template', 'spec');
  if (!podSpec) return;
  const given = podSpec.restartPolicy ?? restartPolicy;
  setPodSpecDefaults(podSpec);
  // A Job must set OnFailure or Never.
  if (given === undefined) delete podSpec.restartPolicy;
}

function validateTemplate(
  object: ApiObject,
  path: readonly string[],
  restartPolicies: readonly string[],
): FieldError[] {
  const field = [...path, 'template'].join('.');
  const template = objectAt(object, ...path, 'template');
  const spec = objectAt(template, 'spec') ?? {};
  const labels = objectAt(template, 'metadata', 'labels');
  const errors = isJsonObject(labels)
    ? validateLabels(labels as Record<string, string>, `${field}.metadata.labels`)
    : [];
  errors.push(...validatePodSpec(spec, `${field}.spec`));
  const restartPolicy = textAt(spec, 'restartPolicy');
  if (restartPolicy !== undefined && !restartPolicies.includes(restartPolicy)) {
    errors.push(notSupported(`${field}.spec.restartPolicy`, restartPolicy, restartPolicies));
  }
  return errors;
}
