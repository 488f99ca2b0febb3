import type { ApiObject } from '../support/pipeline.ts';

/** Defaults that the server writes into every pod, and its book-keeping: nothing that says who a pod is. */
const unwanted: Readonly<Record<string, readonly string[]>> = {
  metadata: ['managedFields', 'selfLink'],
  spec: [
    'restartPolicy',
    'terminationGracePeriodSeconds',
    'dnsPolicy',
    'securityContext',
    'schedulerName',
    'tolerations',
    'priority',
    'enableServiceLinks',
    'preemptionPolicy',
    'taints',
  ],
  status: ['qosClass', 'daemonEndpoints', 'nodeInfo'],
};
const unwantedInContainers = [
  'resources',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'securityContext',
];

/** The object as the server sent it, without what would make a recording unreadable. */
export function cutObject(object: ApiObject): ApiObject {
  const cut: Record<string, unknown> = { ...object };
  for (const [field, names] of Object.entries(unwanted)) {
    if (cut[field] !== undefined) cut[field] = without(cut[field] as Record<string, unknown>, names);
  }
  const spec = cut['spec'] as Record<string, unknown> | undefined;
  if (object.kind === 'Pod' && spec) {
    const containers = spec['containers'] as Record<string, unknown>[];
    cut['spec'] = { ...spec, containers: containers.map((each) => without(each, unwantedInContainers)) };
  }
  return cut as unknown as ApiObject;
}

function without(fields: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
