/** One wrong line, and the specs that ought to notice first; the rest of the unit suite follows where they do not. */
export interface Mutant {
  /** What the broken code does. */
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly specs: readonly string[];
}

const golden = 'test/golden.test.ts';
const agreement = 'test/property/evaluator-agrees.test.ts';
const order = 'test/property/order.test.ts';
const stages = 'test/property/stages.test.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'NotIn requires the key',
    file: 'src/model/selection.ts',
    find: 'return value === undefined || !values.includes(value);',
    replace: 'return value !== undefined && !values.includes(value);',
    specs: [golden, agreement],
  },
  {
    name: 'only the first rule of a policy is honoured',
    file: 'src/kinds/network-policy.ts',
    find: 'return (items ?? []).flatMap(',
    replace: 'return (items ?? []).slice(0, 1).flatMap(',
    specs: [golden, agreement],
  },
  {
    name: 'ingress rules are used for egress',
    file: 'src/kinds/network-policy.ts',
    find: "egress: { policyType: 'Egress', rules: 'egress', peers: 'to' }",
    replace: "egress: { policyType: 'Egress', rules: 'ingress', peers: 'from' }",
    specs: [golden],
  },
  {
    name: 'without policyTypes, a policy isolates both ways whatever it holds',
    file: 'src/kinds/network-policy.ts',
    find: "egress?.length === 0 ? ['ingress'] : directions",
    replace: 'egress && directions',
    specs: [golden, agreement],
  },
  {
    name: 'without policyTypes, a policy isolates ingress alone',
    file: 'src/kinds/network-policy.ts',
    find: "egress?.length === 0 ? ['ingress'] : directions",
    replace: "egress && ['ingress']",
    specs: [golden, agreement],
  },
  {
    name: 'a port that cannot be read is any port',
    file: 'src/kinds/network-policy.ts',
    find: 'readPort(port, addDeclarers) ?? []',
    replace: "readPort(port, addDeclarers) ?? { kind: 'any' as const }",
    specs: [golden],
  },
  {
    name: 'a podSelector alone reaches into every namespace',
    file: 'src/kinds/peers.ts',
    find: 'namespaces.absent ? { name: namespace } : { selector: namespaceTerms.selector }',
    replace: '{ selector: namespaceTerms.selector }',
    specs: [golden, agreement],
  },
  {
    name: 'an except subtracts from every block',
    file: 'src/kinds/peers.ts',
    find: 'const holes: AddressRange[] = [];',
    replace: 'const holes: AddressRange[] = ((globalThis as { holes?: AddressRange[] }).holes ??= []);',
    specs: [golden],
  },
  {
    name: 'endPort is ignored',
    file: 'src/kinds/ports.ts',
    find: 'protocol, first, last: endPort.value }',
    replace: 'protocol, first, last: port.value }',
    specs: [golden, agreement],
  },
  {
    name: 'a port without protocol is UDP',
    file: 'src/kinds/ports.ts',
    find: "if (field.absent) return 'TCP';",
    replace: "if (field.absent) return 'UDP';",
    specs: [golden, agreement],
  },
  {
    name: 'terminal pods still match',
    file: 'src/indexer/indexer.ts',
    find: 'return !pod.hostNetwork && !pod.terminal;',
    replace: 'return !pod.hostNetwork;',
    specs: [agreement],
  },
  {
    name: 'pods on the host network match',
    file: 'src/indexer/indexer.ts',
    find: 'return !pod.hostNetwork && !pod.terminal;',
    replace: 'return !pod.terminal;',
    specs: [agreement],
  },
  {
    name: 'new labels of a namespace are not noticed',
    file: 'src/indexer/indexer.ts',
    find: 'for (const [key, pod] of this.#podIndex.inNamespace(name)) this.#refreshPod(key, pod);',
    replace: '',
    specs: [order],
  },
  {
    name: 'two pods with one address both own it',
    file: 'src/indexer/ownership.ts',
    find: "return best.length === 1 ? 'owned' : 'contested';",
    replace: "return 'owned';",
    specs: [golden, agreement],
  },
  {
    name: 'only the first policy of a pod is honoured',
    file: 'src/compile/class-spec.ts',
    find: 'for (const policy of isolating) {',
    replace: 'for (const policy of isolating.slice(0, 1)) {',
    specs: [golden, agreement],
  },
  {
    name: 'a named egress port is looked up on the source pod',
    file: 'src/compile/class-spec.ts',
    find: "direction === 'ingress' ? resolveIngressNames(rule, pod) : rule",
    replace: 'resolveIngressNames(rule, pod)',
    specs: [golden, agreement],
  },
  {
    name: 'a named port is found whatever its protocol',
    file: 'src/compile/port-set.ts',
    find: 'each.name === port.name && each.protocol === port.protocol',
    replace: 'each.name === port.name',
    specs: [golden, agreement],
  },
  {
    name: 'the ports of one rule hold for the peers of another',
    file: 'src/compile/resolve.ts',
    find: 'const text = portSetText(ports);',
    replace: "const text = '';",
    specs: [golden, agreement],
  },
  {
    name: 'an empty group compiles to "any"',
    file: 'src/compile/class-shape.ts',
    find: "bucket.everyone && bucket.ports === 'any'",
    replace:
      "bucket.ports === 'any' && (bucket.everyone || [...bucket.groups].some((id) => !groups.get(id)?.members.size))",
    specs: [golden, agreement],
  },
  {
    name: 'classes look up no IPv6',
    file: 'src/compile/class-shape.ts',
    find: 'for (const family of families) allows.push(',
    replace: "for (const family of ['ipv4'] as const) allows.push(",
    specs: [golden],
  },
  {
    name: 'packets of isolated pods are judged in IPv4 alone',
    file: 'src/compile/base-chains.ts',
    find: 'return families.flatMap((family) => [',
    replace: "return (['ipv4'] as const).flatMap((family) => [",
    specs: [golden],
  },
  {
    name: 'the addresses of replies are not mirrored',
    file: 'src/compile/base-chains.ts',
    find: "(direction === 'egress') === (orientation === 'original')",
    replace: "direction === 'egress'",
    specs: [golden, agreement],
  },
  {
    name: 'the ports of replies are not mirrored',
    file: 'src/compile/class-shape.ts',
    find: "orientation === 'original' ? 'th dport' : 'th sport'",
    replace: "'th dport'",
    specs: [golden, agreement],
  },
  {
    name: 'self traffic is dropped',
    file: 'src/compile/set-builder.ts',
    find: 'elements.add(`${address} . ${address}`);',
    replace: '',
    specs: [golden, agreement],
  },
  {
    name: "a pod's packets to its own node are not judged",
    file: 'src/compile/base-chains.ts',
    find: "...families.map((family) => isolationRule('egress', family, 'original')),",
    replace: '',
    specs: [golden, agreement],
  },
  {
    name: 'all stages are merged into one',
    file: 'src/plan/plan.ts',
    find: 'stages: stages.filter((stage) => stage.operations.length > 0), result };',
    replace: "stages: [{ name: 'switch', operations: stages.flatMap((stage) => stage.operations) }], result };",
    specs: [stages],
  },
  {
    name: 'a set changes in place under pods that change their class',
    file: 'src/plan/conflicts.ts',
    find: 'if (changed.length === 0) return chosen;',
    replace: 'return chosen;',
    specs: [stages],
  },
  {
    name: 'a changed verdict of an address is not written',
    file: 'src/plan/plan.ts',
    find: 'if (known && sameVerdict(known, verdict)) continue;',
    replace: 'if (known) continue;',
    specs: [stages, order],
  },
];
