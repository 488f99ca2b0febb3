import { listAt, objectAt, textAt } from '../object.ts';
import { notSupported, required, type FieldError } from '../validation/field-error.ts';
import type { KindRules } from './kind-rules.ts';

const tiers = ['Admin', 'Baseline'];
const actions = ['Accept', 'Deny', 'Pass'];

/** What the schema of the CustomResourceDefinition asks for, as far as the lab checks it: an unknown part of a rule may also be stored. */
export const clusterNetworkPolicyRules: KindRules = {
  validate(policy) {
    const spec = objectAt(policy, 'spec') ?? {};
    const tier = textAt(spec, 'tier');
    const errors: FieldError[] = [];
    if (tier === undefined) errors.push(required('spec.tier', ''));
    else if (!tiers.includes(tier)) errors.push(notSupported('spec.tier', tier, tiers));
    if (typeof spec['priority'] !== 'number') errors.push(required('spec.priority', ''));
    if (Object.keys(objectAt(spec, 'subject') ?? {}).length !== 1)
      errors.push(required('spec.subject', 'exactly one of namespaces and pods'));
    for (const direction of ['ingress', 'egress']) {
      for (const [index, rule] of listAt(spec, direction).entries()) {
        const path = `spec.${direction}[${index}]`;
        const action = textAt(rule, 'action') ?? '';
        if (!actions.includes(action)) errors.push(notSupported(`${path}.action`, action, actions));
        const peers = direction === 'ingress' ? 'from' : 'to';
        if (listAt(rule, peers).length === 0) errors.push(required(`${path}.${peers}`, ''));
      }
    }
    return errors;
  },
};
