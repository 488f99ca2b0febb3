import assert from 'node:assert/strict';
import * as client from '@kubernetes/client-node';
import { describe, it } from 'mocha';
import { resourceNames, resources } from '../../../../src/lab/api/resources.ts';
import type { ObjectSchema, Schema } from '../../../../src/lab/api/schema/schema.ts';

interface Attribute {
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

/** Fields that the client knows and 1.33 does not. */
const newer: Readonly<Record<string, readonly string[]>> = {
  PodSpec: ['hostnameOverride', 'schedulingGroup'],
  Container: ['restartPolicyRules'],
  EphemeralContainer: ['restartPolicyRules'],
  PodStatus: ['allocatedResources', 'extendedResourceClaimStatus', 'nodeAllocatableResourceClaimStatuses', 'resources'],
  NodeStatus: ['declaredFeatures'],
};

describe('the schemas', () => {
  // The client has no types of custom resources.
  for (const name of resourceNames.filter((each) => each !== 'clusternetworkpolicies')) {
    it(`describe ${name} as the generated client does`, () => compare(resources[name].schema, name));
  }
});

function compare(schema: Schema, resource: string): void {
  if (schema.type === 'list') compare(schema.items, resource);
  if (schema.type === 'map') compare(schema.values, resource);
  if (schema.type !== 'object') return;
  const attributes = attributesOf(schema, resource).filter(({ baseName }) => !newer[schema.name]?.includes(baseName));
  const theirs = attributes.map(({ baseName }) => baseName).sort();
  assert.deepEqual(Object.keys(schema.fields).sort(), theirs, schema.name);
  for (const attribute of attributes) {
    const field: Schema = schema.fields[attribute.baseName]!;
    if (field.type !== 'anything') assert.equal(field.type, shapeOf(attribute), `${schema.name}.${attribute.baseName}`);
    compare(field, resource);
  }
}

function attributesOf({ name }: ObjectSchema, resource: string): readonly Attribute[] {
  const prefix =
    resource === 'events.events.k8s.io' ? 'EventsV1' : resource === 'endpointslices' ? 'DiscoveryV1' : 'CoreV1';
  const models = client as unknown as Record<string, { getAttributeTypeMap(): readonly Attribute[] } | undefined>;
  const model = models[`V1${name}`] ?? models[`${prefix}${name}`];
  assert.ok(model, `the client has no ${name}`);
  return model.getAttributeTypeMap();
}

function shapeOf({ type, format }: Attribute): Schema['type'] {
  if (type.startsWith('Array<')) return 'list';
  if (type.startsWith('{ [key')) return 'map';
  if (type === 'string' || type === 'Date' || type === 'V1MicroTime') return 'text';
  if (type === 'number') return format === 'int64' ? 'int64' : 'int32';
  if (type === 'boolean') return 'flag';
  return type === 'IntOrString' ? 'int-or-text' : 'object';
}
