import { isDeepStrictEqual } from 'node:util';
import { fieldAt, isJsonObject, listAt, objectAt, textAt, type ApiObject, type JsonObject } from '../object.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required, type FieldError } from './field-error.ts';
import { validateLabels } from './metadata.ts';
import { checkDnsLabel, checkDnsSubdomain, checkPortName, checkPortNumber } from './names.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];
const restartPolicies = ['Always', 'OnFailure', 'Never'];
const pullPolicies = ['Always', 'IfNotPresent', 'Never'];

/** The part of pkg/apis/core/validation/validation.go for fields that the lab reads. */
export function validatePod(pod: ApiObject): FieldError[] {
  return validatePodSpec(objectAt(pod, 'spec') ?? {}, 'spec');
}

export function validatePodSpec(spec: JsonObject, field: string): FieldError[] {
  const errors = validateContainers(spec, field);
  const restartPolicy = textAt(spec, 'restartPolicy') ?? '';
  if (restartPolicy === '') errors.push(required(`${field}.restartPolicy`, ''));
  else if (!restartPolicies.includes(restartPolicy)) {
    errors.push(notSupported(`${field}.restartPolicy`, restartPolicy, restartPolicies));
  }
  const grace = fieldAt(spec, 'terminationGracePeriodSeconds');
  if (typeof grace === 'number' && grace < 0) {
    errors.push(invalidValue(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'));
  }
  errors.push(...validateLabels(objectAt(spec, 'nodeSelector') as Record<string, string>, `${field}.nodeSelector`));
  for (const name of ['nodeName', 'serviceAccountName'] as const) {
    const value = textAt(spec, name);
    if (value) for (const why of checkDnsSubdomain(value)) errors.push(invalidValue(`${field}.${name}`, value, why));
  }
  for (const name of ['hostname', 'subdomain'] as const) {
    const value = textAt(spec, name);
    if (value) for (const why of checkDnsLabel(value)) errors.push(invalidValue(`${field}.${name}`, value, why));
  }
  return errors;
}

function validateContainers(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const hostNetwork = spec.hostNetwork === true;
  for (const list of ['containers', 'initContainers']) {
    const containers = listAt(spec, list);
    if (list === 'containers' && containers.length === 0) errors.push(required(`${field}.containers`, ''));
    for (const [i, container] of containers.entries()) {
      errors.push(...validateContainer(container, `${field}.${list}[${i}]`, names, hostNetwork));
    }
  }
  return errors;
}

function validateContainer(container: unknown, field: string, names: Set<string>, hostNetwork: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const name = textAt(container, 'name') ?? '';
  if (name === '') errors.push(required(`${field}.name`, ''));
  else {
    for (const why of checkDnsLabel(name)) errors.push(invalidValue(`${field}.name`, name, why));
    if (names.has(name)) errors.push(duplicate(`${field}.name`, name));
    names.add(name);
  }
  const image = textAt(container, 'image') ?? '';
  if (image === '') errors.push(required(`${field}.image`, ''));
  else if (image !== image.trim()) {
    errors.push(invalidValue(`${field}.image`, image, 'must not have leading or trailing whitespace'));
  }
  errors.push(...validatePorts(listAt(container, 'ports'), `${field}.ports`, hostNetwork));
  const pullPolicy = textAt(container, 'imagePullPolicy') ?? '';
  if (!pullPolicies.includes(pullPolicy)) {
    errors.push(notSupported(`${field}.imagePullPolicy`, pullPolicy, pullPolicies));
  }
  return errors;
}

function validatePorts(ports: readonly unknown[], field: string, hostNetwork: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const at = `${field}[${i}]`;
    const name = textAt(port, 'name');
    if (name) {
      const wrong = checkPortName(name);
      for (const why of wrong) errors.push(invalidValue(`${at}.name`, name, why));
      if (wrong.length === 0 && names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const number = fieldAt(port, 'containerPort') ?? 0;
    if (number === 0) errors.push(required(`${at}.containerPort`, ''));
    else
      for (const why of checkPortNumber(number as number))
        errors.push(invalidValue(`${at}.containerPort`, number, why));
    const hostPort = fieldAt(port, 'hostPort') ?? 0;
    if (hostPort !== 0) {
      for (const why of checkPortNumber(hostPort as number)) errors.push(invalidValue(`${at}.hostPort`, hostPort, why));
      if (hostNetwork && hostPort !== number) {
        errors.push(invalidValue(`${at}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
      }
    }
    const protocol = textAt(port, 'protocol') ?? '';
    if (protocol === '') errors.push(required(`${at}.protocol`, ''));
    else if (!protocols.includes(protocol)) errors.push(notSupported(`${at}.protocol`, protocol, protocols));
  }
  return errors;
}

const changeable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
];

/** Only a few fields of a pod's spec are mutable. */
export function validatePodUpdate(pod: ApiObject, previous: ApiObject): FieldError[] {
  if (isDeepStrictEqual(fixedPart(pod), fixedPart(previous))) return [];
  return [forbiddenField('spec', `pod updates may not change fields other than ${changeable.join(',')}`)];
}

function fixedPart(pod: ApiObject): JsonObject {
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, ...spec } = objectAt(pod, 'spec') ?? {};
  for (const list of ['containers', 'initContainers']) {
    if (spec[list]) spec[list] = listAt(spec, list).map((each) => (isJsonObject(each) ? { ...each, image: '' } : each));
  }
  return spec;
}
