import type { Operation, Stage } from '../../src/nftables/ruleset.ts';

/**
 * Stages in words: `add set tuples4`, `add elements tuples4: 10.1.0.2 . tcp . 80`, and of the other tables `ip6: add set tuples6`, `bridge: add set ports`.
 * Hashes of names are left out, editions are not: the chains that read one end in `/…`.
 */
export function describeStages(stages: readonly Stage[]): Record<string, string[]> {
  return Object.fromEntries(
    stages.map(({ name, operations }) => [
      name,
      operations.map((each) => (each.family === 'ip' ? '' : `${each.family}: `) + describeOperation(each)).sort(),
    ]),
  );
}

function describeOperation(operation: Operation): string {
  switch (operation.verb) {
    case 'add table':
    case 'replace table':
      return operation.verb;
    case 'add set':
      return `add set ${withoutHash(operation.set.name)}`;
    case 'add map':
      return `add map ${withoutHash(operation.map.name)}`;
    case 'add chain':
    case 'replace rules':
      return `${operation.verb} ${withoutHash(operation.chain.name)}`;
    case 'add elements':
    case 'delete elements':
      return `${operation.verb} ${withoutHash(operation.set.name)}: ${[...operation.elements].sort().join(', ')}`;
    case 'add mappings':
      return `add mappings ${operation.map.name}: ${[...operation.elements.keys()].sort().join(', ')}`;
    case 'delete mappings':
      return `delete mappings ${operation.map.name}: ${[...operation.elements].sort().join(', ')}`;
    case 'flush chain':
    case 'flush set':
    case 'delete chain':
    case 'delete set':
    case 'delete map':
    case 'delete other':
      return `${operation.verb} ${withoutHash(operation.name)}`;
  }
}

function withoutHash(name: string): string {
  return name.replace(/-[a-z2-7]{26}/, '').replace(/\/[a-z2-7]{12}$/, '/…');
}
