import type { KindRules } from './kind-rules.ts';
import { objectAt } from '../object.ts';
import { checkDnsLabel } from '../validation/names.ts';

const nameLabel = 'kubernetes.io/metadata.name';

export const namespaceRules: KindRules = {
  checkName: checkDnsLabel,
  prepareCreate(namespace) {
    namespace.spec = { finalizers: ['kubernetes'] };
    namespace.status = { phase: 'Active' };
  },
  setDefaults(namespace) {
    // S3.3: overrides the client's value.
    namespace.metadata.labels = { ...namespace.metadata.labels, [nameLabel]: namespace.metadata.name! };
    namespace.spec = { ...objectAt(namespace, 'spec') };
  },
};
