import { apiVersionOf, resourceNames, resources, subresourceVerbs, type Resource } from './resources.ts';

/** The reported version, 1.33: validation follows its rules. */
const version = { major: '1', minor: '33', gitVersion: 'v1.33.0+postern-lab', platform: 'linux/amd64' };
const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

const all = resourceNames.map((name) => resources[name]);
const groups = [...new Set(all.map((resource) => resource.group))];

/** The answer to a discovery path; `undefined` for other paths. */
export function discover(pathname: string): object | undefined {
  const path = pathname.replace(/\/$/, '');
  if (path === '/version') return version;
  if (path === '/api') return coreVersions;
  if (path === '/apis') return groupList();
  const [, root, ...rest] = path.split('/');
  if (root === 'apis' && rest.length === 1 && groups.includes(rest[0]!)) {
    return { kind: 'APIGroup', apiVersion: 'v1', ...describeGroup(rest[0]!) };
  }
  const groupVersion = root === 'api' || root === 'apis' ? rest.join('/') : '';
  const served = all.filter((resource) => apiVersionOf(resource) === groupVersion);
  if (served.length === 0 || (root === 'api') !== (rest.length === 1)) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: served.flatMap(describeResource) };
}

const coreVersions = { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };

function groupList(): object {
  const listed = groups.filter((group) => group !== '').map(describeGroup);
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: listed };
}

function describeGroup(name: string): object {
  const { version: served } = all.find((resource) => resource.group === name)!;
  const preferredVersion = { groupVersion: `${name}/${served}`, version: served };
  return { name, versions: [preferredVersion], preferredVersion };
}

function describeResource(resource: Resource): object[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = resource;
  return [
    { name: plural, singularName: singular, namespaced, kind, verbs, shortNames, categories },
    ...resource.subresources.map((sub) => ({
      name: `${plural}/${sub}`,
      singularName: '',
      namespaced,
      kind: subresourceKind(resource, sub),
      verbs: subresourceVerbs[sub],
    })),
  ];
}

function subresourceKind(resource: Resource, sub: string): string {
  return sub === 'binding' ? 'Binding' : resource.kind;
}
