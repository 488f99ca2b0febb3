import { optionalResources, watchedResources, type WatchedResource } from '../../src/watch/resources.ts';

/** The version in which the API server of the benches serves what an API server may not have. */
const version = 'v1alpha2';

/** All resources of the API server. */
export const servedResources: readonly WatchedResource[] = [
  ...watchedResources,
  ...optionalResources.map(({ group, ...rest }) => ({ ...rest, path: `/apis/${group}/${version}/${rest.resource}` })),
];

/** By path, the answers to the question for a served version, of the resources of these names. */
export function discovery(names: readonly string[]): ReadonlyMap<string, object> {
  return new Map(
    optionalResources
      .filter(({ resource }) => names.includes(resource))
      .flatMap(({ group, resource }): [string, object][] => [
        [`/apis/${group}`, { preferredVersion: { version } }],
        [`/apis/${group}/${version}`, { resources: [{ name: resource }] }],
      ]),
  );
}
