/** One rule of ClusterNetworkPolicies, as the research for S10 numbered them. */
export interface NumberedRule {
  /** What it says. */
  readonly says: string;
  /** Where docs/semantics.md says it. */
  readonly cited: readonly string[];
  /** Files, each with a piece of the title of a test. */
  readonly tests: readonly (readonly [file: string, title: string])[];
  /** Names of mutants that these tests kill; missing if there is nothing to break yet. */
  readonly mutants: readonly string[];
}

const order = 'test/tiers/cases.ts';
const match = 'test/tiers/match-cases.ts';
const matrix = 'test/tiers/matrix.ts';
const evaluator = 'test/evaluator/cluster-policy.test.ts';
const kind = 'test/kinds/cluster-network-policy.test.ts';

/** C1 to C36: which test shows each, and which mutant that test kills. `test/house/tier-rules.test.ts` checks that they exist. */
export const numberedRules: Readonly<Record<string, NumberedRule>> = {
  C1: {
    says: 'Admin judges before NetworkPolicies, Baseline after them',
    cited: ['S10.1'],
    tests: [
      [order, 'a Baseline of priority 0 comes after an Admin of priority 1000'],
      [order, 'three tiers, a port each'],
    ],
    mutants: ['tiers are judged in no order'],
  },
  C2: {
    says: 'by priority, then from the top; the first rule that matches decides',
    cited: ['S10.2', 'S10.3'],
    tests: [
      [order, 'priority 0 comes before 1000'],
      [order, 'in a policy, the first rule that matches decides'],
    ],
    mutants: ['the highest priority number is judged first'],
  },
  C3: {
    says: 'with equal priorities, any may win: the first name does, and rules that do not overlap both hold',
    cited: ['S10.8'],
    tests: [
      [order, 'with the same priority, the name decides'],
      [order, 'rules that do not overlap both hold'],
    ],
    mutants: ['of policies of one priority, the last name judges first'],
  },
  C4: {
    says: 'each direction is decided by itself, and a connection needs both ends',
    cited: ['S10.7'],
    tests: [
      [order, 'Accept at egress does not spare ingress'],
      [order, 'each end needs its own consent'],
    ],
    mutants: ['egress rules satisfy ingress'],
  },
  C5: {
    says: 'a policy with rules of one direction changes nothing of the other, in both tiers',
    cited: ['S10.6'],
    tests: [
      [order, 'Admin ingress rules change nothing of egress'],
      [order, 'Baseline egress rules change nothing of ingress'],
    ],
    mutants: ['egress rules of a ClusterNetworkPolicy are read from its ingress rules'],
  },
  C6: {
    says: 'being a subject isolates no pod; what nothing decides is allowed',
    cited: ['S10.5', 'S10.6'],
    tests: [[order, 'a subject that no rule matches is not isolated']],
    mutants: ['a ClusterNetworkPolicy isolates the pods that it selects'],
  },
  C7: {
    says: 'a policy without rules does nothing',
    cited: ['S10.6'],
    tests: [[order, 'policies without rules do nothing']],
    mutants: ['a ClusterNetworkPolicy without rules denies everything'],
  },
  C8: {
    says: 'Accept is final, and replies and errors pass too',
    cited: ['S10.2', 'S10.25'],
    tests: [
      [order, 'replies and errors reach a pod that accepts nothing'],
      [matrix, "tier: 'Admin', action: 'Accept'"],
    ],
    mutants: ['Accept leaves it to NetworkPolicies'],
  },
  C9: {
    says: 'Deny is final, and drops without an answer',
    cited: ['S10.2'],
    tests: [[matrix, "tier: 'Admin', action: 'Deny'"]],
    mutants: ['a rule that does not accept is skipped'],
  },
  C10: {
    says: 'Pass skips the rest of its tier: after Admin, NetworkPolicies decide, else Baseline; after Baseline, all is allowed',
    cited: ['S10.19'],
    tests: [
      [order, 'Pass leaves out the rest of its tier, other policies included'],
      [order, 'Pass of Baseline allows'],
    ],
    mutants: ['a packet that a rule passes on meets the rest of the tier'],
  },
  C11: {
    says: 'NetworkPolicies are final for a pod that they isolate, in that direction only',
    cited: ['S10.4'],
    tests: [
      [order, 'NetworkPolicies are final over Baseline'],
      [order, 'a pod that is isolated for ingress only meets Baseline for egress'],
    ],
    mutants: ['the Baseline tier is judged for isolated pods'],
  },
  C12: {
    says: 'an edit of the action or the priority takes effect',
    cited: ['S10.2', 'S10.3'],
    tests: [
      [order, 'an edit of the action takes effect'],
      [order, 'an edit of the priority takes effect'],
    ],
    mutants: ['rules that differ by their action alone are the same'],
  },
  C13: {
    says: 'pods enter and leave at once by their labels and those of their namespaces',
    cited: ['S10.9'],
    tests: [
      [order, 'a relabelled namespace leaves the subject, and comes back'],
      [order, 'a relabelled pod leaves the subject, and another comes'],
    ],
    mutants: ['new labels of a namespace are not noticed'],
  },
  C14: {
    says: 'hostNetwork pods are never subject, nor peer by selector',
    cited: ['S10.9', 'S10.10'],
    tests: [
      [match, 'hostNetwork pods are no subject'],
      [match, 'hostNetwork pods are no peers, as sources'],
    ],
    mutants: ['pods on the host network match'],
  },
  C15: {
    says: 'pods that have ended count as gone',
    cited: ['S10.9', 'S1.4'],
    tests: [[evaluator, 'S10.9 pods that have ended are no peers']],
    mutants: ['terminal pods still match'],
  },
  C16: {
    says: 'namespaces: all their pods; pods: both selectors must match',
    cited: ['S10.11'],
    tests: [
      [match, 'the subject is pods of namespaces, by both selectors'],
      [matrix, "peer: pods('b', 'blue')"],
    ],
    mutants: ['a subject by pods reaches into every namespace', 'a peer by pods reaches into every namespace'],
  },
  C17: {
    says: 'networks match by the address alone, after the Service proxy',
    cited: ['S10.12'],
    tests: [
      [match, 'a network is pods, nodes and machines outside alike'],
      [order, 'a Service is judged by its endpoint, never by its own address'],
    ],
    mutants: ['a network matches no pod'],
  },
  C18: {
    says: 'networks match every protocol of their family; neighbour discovery goes on',
    cited: ['S10.12'],
    tests: [
      [match, 'a network has one family'],
      [match, 'a network matches ICMP, neighbour discovery goes on'],
    ],
    mutants: ['a network of one family matches the other'],
  },
  C19: {
    says: 'host bits do not count, and blocks may repeat and overlap',
    cited: ['S10.12'],
    tests: [
      [match, 'host bits of a block do not count'],
      [match, 'blocks may repeat and overlap, in a rule and over rules'],
    ],
    mutants: ['host bits of a block are not masked off', 'blocks of a peer that overlap are not merged'],
  },
  C20: {
    says: 'nodes: every address of the matching nodes, the own one included',
    cited: ['S10.13'],
    tests: [
      [match, '{} is all nodes, the own one included'],
      [matrix, "peer: nodes('n2')"],
    ],
    mutants: ['a group of nodes has one address of each'],
  },
  C21: {
    says: 'no ingress rule can name nodes, so probes always pass',
    cited: ['S10.10'],
    tests: [[match, 'no ingress rule matches a node or a machine outside']],
    mutants: ['an ingress rule may name nodes and networks'],
  },
  C22: {
    says: 'without protocols every protocol, with them only those',
    cited: ['S10.15'],
    tests: [
      [match, 'without protocols, every protocol matches'],
      [match, 'with protocols, only what they name'],
    ],
    mutants: ['without protocols, a rule matches TCP'],
  },
  C23: {
    says: 'entries are ORed, and a range has both ends',
    cited: ['S10.15', 'S10.16'],
    tests: [[match, 'a range has both ends']],
    mutants: ['a range ends before its end'],
  },
  C24: {
    says: 'a port name is each number and protocol that the destination pod gives it',
    cited: ['S10.17'],
    tests: [
      [match, 'a port name at egress is the number of the peer'],
      [match, 'a name has each number and protocol that the pod gives it'],
      [match, 'a pod without the name is not matched'],
    ],
    mutants: ['a port name means TCP'],
  },
  C25: {
    says: 'a port name matches nothing with networks or nodes',
    cited: ['S10.17'],
    tests: [
      [match, 'a port name with networks: Deny matches nothing'],
      [match, '… and pods beside them in the rule are matched'],
    ],
    mutants: ['a port name with networks matches every port'],
  },
  C26: {
    says: 'what cannot be read: Accept matches nothing, anything else denies everything from there on',
    cited: ['S10.20'],
    tests: [
      [match, 'Accept of an unknown peer matches nothing'],
      [match, 'Deny of an unknown peer denies everything from there on'],
      [match, 'Pass of an unknown peer denies everything from there on'],
      [match, 'Deny of an unknown protocol denies everything'],
    ],
    mutants: ['a rule that cannot be read as a whole is left out', 'a protocol that cannot be read is left out'],
  },
  C27: {
    says: 'each such part is reported, with its field',
    cited: ['S10.22'],
    tests: [
      [kind, 'Deny of domain names (S10.14)'],
      [evaluator, 'reports what it cannot read, with the field (S10.22)'],
    ],
    mutants: ['a peer that cannot be read is not reported'],
  },
  C28: {
    says: 'an unknown tier is not enforced, is reported, and ends no watch',
    cited: ['S10.21'],
    tests: [
      [evaluator, 'S10.21 an unknown tier is not enforced'],
      [kind, 'without a known place is not enforced (S10.21)'],
      ['test/watch/optional-watch.test.ts', 'goes on after malformed objects in the middle of a watch'],
    ],
    mutants: ['a policy of an unknown tier is one of Baseline'],
  },
  C29: {
    says: 'what a pod sends to its own address inside of it is judged by no policy',
    cited: ['S10.18'],
    tests: [[order, 'no policy concerns what a pod sends to its own address']],
    mutants: ['policies judge what a pod sends to its own address'],
  },
  C30: {
    says: 'through a Service it is judged, in both directions, and NetworkPolicies let it through',
    cited: ['S10.18'],
    tests: [
      [order, 'through a Service, Admin denies a pod to itself: ingress'],
      [order, '… but not what Admin denies'],
      [order, '… also where Baseline denies it, which is not asked then'],
    ],
    mutants: ['a pod that is isolated reaches itself through a Service, whatever Admin says'],
  },
  C31: {
    says: 'Deny and Pass of host names count as what cannot be read',
    cited: ['S10.14', 'S10.20'],
    tests: [[evaluator, 'S10.14 Deny of domainNames denies everything']],
    mutants: ['Deny of host names denies nothing'],
  },
  C32: {
    says: 'which host names match: Postern does not support them yet, so an Accept matches nothing',
    cited: ['S10.14'],
    tests: [[evaluator, 'S10.14 Accept of domainNames matches nothing yet']],
    mutants: ['an Accept of host names accepts every address'],
  },
  C33: {
    says: 'a rule with host names grants no DNS, and filters none',
    cited: ['S10.14'],
    tests: [[evaluator, 'S10.14 … and other peers of the rule stay']],
    mutants: ['a peer that cannot be read takes the others of an Accept rule with it'],
  },
  C34: {
    says: 'no packet passes that neither state passes, and a revoked connection is cut',
    cited: ['S10.25'],
    tests: [
      ['test/property/stages.test.ts', 'policies of all three tiers, which deny and pass (S10.25)'],
      ['test/kernel/live-connections.test.ts', 'a ClusterNetworkPolicy that denies (S10.25)'],
    ],
    mutants: ['a set in its second edition that changes is not held to its class'],
  },
  C35: {
    says: 'agents run on where the resource is not served, and pick it up when it comes',
    cited: ['S10.24'],
    tests: [['test/watch/optional-watch.test.ts', 'S10.24']],
    mutants: ['policies stay in force when their resource is gone'],
  },
  C36: {
    says: 'the largest policies are bounded: 25 rules of 25 peers, blocks and ports, 1,000 priorities',
    cited: ['S10.23'],
    tests: [
      ['test/compile/cluster-costs.test.ts', 'S10.23'],
      ['test/tiers/size.test.ts', 'a packet meets as many rules with 1,000 policies as with twelve'],
      ['test/tiers/size.test.ts', '25 rules of 25 peers'],
    ],
    mutants: ['the cost of cutting ports does not count', 'each range is cut by all blocks from the first on'],
  },
};
