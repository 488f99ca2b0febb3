import { parseCidr } from '../../../model/address.ts';
import { fieldAt, isJsonObject, listAt, objectAt, textAt, type ApiObject, type JsonObject } from '../object.ts';
import {
  forbiddenField,
  invalidGoValue,
  invalidValue,
  notSupported,
  required,
  type FieldError,
} from '../validation/field-error.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { checkPortName, checkPortNumber } from '../validation/names.ts';
import { warnAboutCidr } from '../validation/cidr-warnings.ts';
import type { KindRules } from './kind-rules.ts';

const protocols = ['TCP', 'UDP', 'SCTP'];
const policyTypes = ['Ingress', 'Egress'];
const directions = [
  { rules: 'ingress', peers: 'from' },
  { rules: 'egress', peers: 'to' },
] as const;

/** pkg/apis/networking/v1/defaults.go and pkg/apis/networking/validation/validation.go of 1.33 (S2.1, S9.2, S9.3). */
export const networkPolicyRules: KindRules = {
  setDefaults(policy) {
    policy.spec ??= {};
    const spec = policy.spec as JsonObject;
    spec.podSelector ??= {};
    for (const { rules } of directions) {
      for (const rule of listAt(spec, rules)) {
        for (const port of listAt(rule, 'ports')) if (isJsonObject(port)) port.protocol ??= 'TCP';
      }
    }
    if (listAt(spec, 'policyTypes').length === 0) {
      spec.policyTypes = listAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
    }
  },
  validate(policy) {
    return [
      ...validateLabelSelector(objectAt(policy, 'spec', 'podSelector')!, 'spec.podSelector'),
      ...directions.flatMap(({ rules, peers }) =>
        listAt(policy, 'spec', rules).flatMap((rule, i) => [
          ...listAt(rule, 'ports').flatMap((port, j) => validatePort(port, `spec.${rules}[${i}].ports[${j}]`)),
          ...listAt(rule, peers).flatMap((peer, j) => validatePeer(peer, `spec.${rules}[${i}].${peers}[${j}]`)),
        ]),
      ),
      ...validatePolicyTypes(policy),
    ];
  },
  warn: (policy) => cidrsOf(policy).flatMap(({ field, cidr }) => warnAboutCidr(field, cidr)),
};

function validatePort(entry: unknown, field: string): FieldError[] {
  const protocol = textAt(entry, 'protocol');
  const port = fieldAt(entry, 'port');
  const endPort = fieldAt(entry, 'endPort');
  const errors: FieldError[] = [];
  if (protocol !== undefined && !protocols.includes(protocol)) {
    errors.push(notSupported(`${field}.protocol`, protocol, protocols));
  }
  const refuseEnd = (why: string, value = endPort): void =>
    void errors.push(invalidValue(`${field}.endPort`, value, why));
  if (typeof port === 'number') {
    for (const why of checkPortNumber(port)) errors.push(invalidValue(`${field}.port`, port, why));
    if (typeof endPort === 'number') {
      // The real server shows the port here.
      if (endPort < port) refuseEnd('must be greater than or equal to `port`', port);
      for (const why of checkPortNumber(endPort)) refuseEnd(why);
    }
  } else if (typeof port === 'string') {
    if (endPort !== undefined) refuseEnd('may not be specified when `port` is non-numeric');
    for (const why of checkPortName(port)) errors.push(invalidValue(`${field}.port`, port, why));
  } else if (endPort !== undefined) refuseEnd('may not be specified when `port` is not specified');
  return errors;
}

function validatePeer(peer: unknown, field: string): FieldError[] {
  const selectors = (['podSelector', 'namespaceSelector'] as const).flatMap((name) => {
    const selector = objectAt(peer, name);
    return selector ? [{ name, selector }] : [];
  });
  const block = objectAt(peer, 'ipBlock');
  const errors = selectors.flatMap(({ name, selector }) => validateLabelSelector(selector, `${field}.${name}`));
  if (block) errors.push(...validateIpBlock(block, `${field}.ipBlock`));
  if (!block && selectors.length === 0) errors.push(required(field, 'must specify a peer'));
  else if (block && selectors.length > 0) {
    errors.push(forbiddenField(field, 'may not specify both ipBlock and another peer'));
  }
  return errors;
}

const cidrShape = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function validateIpBlock(block: JsonObject, field: string): FieldError[] {
  const cidr = textAt(block, 'cidr');
  if (!cidr) return [required(`${field}.cidr`, '')];
  const range = parseCidr(cidr);
  if (!range) return [invalidValue(`${field}.cidr`, cidr, cidrShape)];
  return listAt(block, 'except').flatMap((except, i) => {
    const excepted = parseCidr(except as string);
    if (!excepted) return [invalidValue(`${field}.except[${i}]`, except, cidrShape)];
    const inside =
      excepted.family === range.family &&
      range.first <= excepted.first &&
      excepted.last <= range.last &&
      excepted.last - excepted.first < range.last - range.first;
    return inside ? [] : [invalidValue(`${field}.except[${i}]`, except, 'must be a strict subset of `cidr`')];
  });
}

function validatePolicyTypes(policy: ApiObject): FieldError[] {
  const field = 'spec.policyTypes';
  const types = listAt(policy, 'spec', 'policyTypes');
  if (types.length > 2) {
    return [invalidGoValue(field, '[]networking.PolicyType', types, 'may not specify more than two policyTypes')];
  }
  return types.flatMap((type, i) =>
    policyTypes.includes(type as string) ? [] : [notSupported(`${field}[${i}]`, type, policyTypes)],
  );
}

function cidrsOf(policy: ApiObject): { field: string; cidr: string }[] {
  return directions.flatMap(({ rules, peers }) =>
    listAt(policy, 'spec', rules).flatMap((rule, i) =>
      listAt(rule, peers).flatMap((peer, j) => {
        const block = objectAt(peer, 'ipBlock');
        if (!block) return [];
        const field = `spec.${rules}[${i}].${peers}[${j}].ipBlock`;
        const excepts = listAt(block, 'except').map((cidr, k) => ({
          field: `${field}.except[${k}]`,
          cidr: cidr as string,
        }));
        return [{ field: `${field}.cidr`, cidr: block.cidr as string }, ...excepts];
      }),
    ),
  );
}
