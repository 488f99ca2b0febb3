import fc from 'fast-check';

type Json = Record<string, unknown>;

/** Texts as protobuf can hold them, from the ordinary to the odd. */
const text = fc.oneof(
  fc.constantFrom('', 'web', 'shop', '__proto__', 'constructor', 'Always', '\u{feff}x'),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);

/** `omitempty` of Go: leaves out what is empty, except for fields that Go's JSON always has. */
function omitEmpty(object: Json, ...always: readonly string[]): Json {
  const isEmpty = (value: unknown): boolean => {
    return (
      value === undefined ||
      value === '' ||
      value === 0 ||
      value === false ||
      (Array.isArray(value) && value.length === 0)
    );
  };
  return Object.fromEntries(Object.entries(object).filter(([key, value]) => always.includes(key) || !isEmpty(value)));
}

function optional<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined });
}

const textMap = fc.array(fc.tuple(text, text), { maxLength: 4 }).map((entries) => {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
});
const annotations = optional(
  fc.tuple(textMap, optional(text)).map(([map, mirror]) => {
    return { ...map, ...(mirror !== undefined && { 'kubernetes.io/config.mirror': mirror }) };
  }),
).map((map) => (map && Object.keys(map).length > 0 ? map : undefined));

const port = fc
  .record({
    name: text,
    hostPort: fc.constantFrom(0, 80),
    containerPort: fc.constantFrom(0, 80, 443, 65_535, 65_536, -1, 2 ** 31 - 1),
    protocol: fc.constantFrom('TCP', 'UDP', 'SCTP', '', 'tcp'),
    hostIP: fc.constantFrom('', '192.0.2.1'),
  })
  .map((each) => omitEmpty(each, 'containerPort'));

const container = fc
  .record({
    name: text,
    image: text,
    args: fc.array(text, { maxLength: 2 }),
    ports: fc.array(port, { maxLength: 3 }),
    env: fc.array(
      fc.record({ name: text, value: text }).map((each) => omitEmpty(each, 'name')),
      { maxLength: 2 },
    ),
    resources: optional(fc.constant({ limits: { memory: '256Mi' } })),
    restartPolicy: optional(fc.constantFrom('Always', 'Never')),
  })
  .map((each) => omitEmpty(each, 'name'));

const metadata = fc
  .record({
    name: text,
    generateName: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    generation: fc.constantFrom(0, 1, 2 ** 40),
    creationTimestamp: fc.constant('2026-05-04T08:15:30Z'),
    deletionTimestamp: optional(fc.constant('2026-05-04T09:15:30Z')),
    labels: textMap,
    annotations,
    finalizers: fc.array(text, { maxLength: 2 }),
    managedFields: fc.array(
      fc.constant({ manager: 'kubelet', time: '2026-05-04T08:15:30Z', fieldsV1: { 'f:status': {} } }),
      {
        maxLength: 2,
      },
    ),
  })
  .map((each) => omitEmpty(each));

/** Pods as Go writes them in JSON, valid or not, with fields that the agent does not read. bench/cluster/protobuf writes the same in protobuf. */
export const randomPods: fc.Arbitrary<Json> = fc.record({
  metadata,
  spec: fc
    .record({
      containers: fc.array(container, { maxLength: 3 }),
      initContainers: fc.array(container, { maxLength: 2 }),
      nodeName: text,
      hostNetwork: fc.boolean(),
      nodeSelector: textMap,
      priority: fc.constantFrom(undefined, 0, -5, 2_000_001_000),
    })
    .map((each) => omitEmpty(each, 'containers')),
  status: fc
    .record({
      phase: fc.constantFrom('', 'Pending', 'Running', 'Succeeded', 'Failed', 'Unknown', 'Odd'),
      podIP: text,
      podIPs: fc.array(
        fc.record({
          ip: fc.oneof(
            fc.constantFrom('', '10.1.0.7', 'FD00:0::7', '10.0.0.256', '::ffff:10.1.0.7'),
            fc.ipV4(),
            fc.ipV6(),
          ),
        }),
        { maxLength: 3 },
      ),
      startTime: optional(fc.constant('2026-05-04T08:15:30Z')),
    })
    .map((each) => omitEmpty(each)),
});
