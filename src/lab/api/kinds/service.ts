import { fieldAt, isJsonObject, listAt, objectAt, textAt, type ApiObject, type JsonObject } from '../object.ts';
import { duplicate, invalidValue, notSupported, required, type FieldError } from '../validation/field-error.ts';
import { validateLabels } from '../validation/metadata.ts';
import { checkDns1035Label, checkDnsLabel, checkPortName, checkPortNumber } from '../validation/names.ts';
import type { KindRules } from './kind-rules.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const protocols = ['SCTP', 'TCP', 'UDP'];

/** `StoreOptions.admit` allocates addresses and node ports. */
export const serviceRules: KindRules = {
  checkName: checkDns1035Label,
  prepareCreate(service) {
    service.status = { loadBalancer: {} };
  },
  setDefaults(service) {
    service.spec ??= {};
    const spec = service.spec as JsonObject;
    spec.type ??= 'ClusterIP';
    spec.sessionAffinity ??= 'None';
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
    for (const port of listAt(spec, 'ports')) {
      if (!isJsonObject(port)) continue;
      port.protocol ??= 'TCP';
      port.targetPort ??= port.port;
    }
  },
  prepareUpdate(service, previous) {
    const spec = objectAt(service, 'spec');
    if (!spec || spec.type === 'ExternalName' || spec.clusterIP) return;
    for (const field of allocated) {
      const value = fieldAt(previous, 'spec', field);
      if (value !== undefined) spec[field] ??= structuredClone(value);
    }
  },
  validate: validateService,
  validateUpdate(service, previous) {
    const [before, after] = [previous, service].map((each) => textAt(each, 'spec', 'clusterIP'));
    if (!before || before === after || textAt(service, 'spec', 'type') === 'ExternalName') return [];
    return [invalidValue('spec.clusterIPs[0]', after, 'may not change once set')];
  },
};

const allocated = ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'];

function validateService(service: ApiObject): FieldError[] {
  const ports = listAt(service, 'spec', 'ports');
  const type = textAt(service, 'spec', 'type') ?? '';
  const headless = textAt(service, 'spec', 'clusterIP') === 'None';
  const errors: FieldError[] = [];
  if (!types.includes(type)) errors.push(notSupported('spec.type', type, types));
  if (ports.length === 0 && !headless && type !== 'ExternalName') errors.push(required('spec.ports', ''));
  const names = new Set<string>();
  const served = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const field = `spec.ports[${i}]`;
    errors.push(...validatePort(port, field, ports.length > 1));
    const name = textAt(port, 'name') ?? '';
    if (name !== '' && names.has(name)) errors.push(duplicate(`${field}.name`, name));
    names.add(name);
    const key = `${textAt(port, 'protocol')}/${String(fieldAt(port, 'port'))}`;
    if (served.has(key)) {
      errors.push(duplicate(field, { port: fieldAt(port, 'port'), protocol: textAt(port, 'protocol') }));
    }
    served.add(key);
  }
  errors.push(...validateLabels(objectAt(service, 'spec', 'selector') as Record<string, string>, 'spec.selector'));
  return errors;
}

function validatePort(port: unknown, field: string, mustBeNamed: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const name = textAt(port, 'name') ?? '';
  if (name !== '') for (const why of checkDnsLabel(name)) errors.push(invalidValue(`${field}.name`, name, why));
  else if (mustBeNamed) errors.push(required(`${field}.name`, ''));
  const number = fieldAt(port, 'port') ?? 0;
  for (const why of checkPortNumber(number as number)) errors.push(invalidValue(`${field}.port`, number, why));
  const protocol = textAt(port, 'protocol') ?? '';
  if (!protocols.includes(protocol)) errors.push(notSupported(`${field}.protocol`, protocol, protocols));
  const target = fieldAt(port, 'targetPort');
  const wrong =
    typeof target === 'number' ? checkPortNumber(target) : typeof target === 'string' ? checkPortName(target) : [];
  for (const why of wrong) errors.push(invalidValue(`${field}.targetPort`, target, why));
  return errors;
}
