import type { Verdict } from '../../evaluator/decision.ts';
import { testApiVersion, testKind } from '../../manifests/policy-test.ts';
import type { Family } from '../../model/address.ts';
import type { Shape } from './shape.ts';

/** Limit of expectations in one document, and in one run. */
export const mostTests = 2_000;

const word = (about: string): Shape => ({ kind: 'text', about });

const labelSelector = (about: string): Shape => ({
  kind: 'fields',
  about,
  required: [],
  fields: {
    matchLabels: { kind: 'map', about: 'Labels that all must be there.', of: word('A label value.') },
    matchExpressions: {
      kind: 'list',
      about: 'Requirements that all must hold.',
      least: 0,
      most: 64,
      of: {
        kind: 'fields',
        about: 'A requirement.',
        required: ['key', 'operator'],
        fields: {
          key: word('A label key.'),
          operator: { kind: 'text', about: 'How to compare.', oneOf: ['In', 'NotIn', 'Exists', 'DoesNotExist'] },
          values: { kind: 'list', about: 'For In and NotIn.', least: 0, most: 64, of: word('A label value.') },
        },
      },
    },
  },
});

const end = (about: string): Shape => ({
  kind: 'either',
  about: `${about} a text, or a mapping with selectors or an ipBlock`,
  of: [
    word(
      'shop/web (a pod, or all pods of a workload of that name), shop/deployment/web, node/n1, host/db (a Host of the lab), 10.0.0.2 (stands for its owner), or 10.0.0.0/8 (all addresses in it outside of the cluster).',
    ),
    {
      kind: 'fields',
      about:
        'Pods by their labels, or a block. The expectation must hold for each pod, and for each address of the block.',
      required: [],
      fields: {
        namespace: word('The namespace of the pods.'),
        namespaceSelector: labelSelector('Namespaces of the pods by their labels; {} selects all.'),
        podSelector: labelSelector('Pods by their labels; without it, all pods of the namespaces.'),
        ipBlock: {
          kind: 'fields',
          about: 'All addresses of a block that no pod and no node has.',
          required: ['cidr'],
          fields: {
            cidr: word('For example 0.0.0.0/0 or fd00::/8.'),
            except: { kind: 'list', about: 'Blocks to leave out.', least: 0, most: 64, of: word('A CIDR.') },
          },
        },
      },
    },
  ],
});

/** The one description of the format. Files are checked against it, and docs/reference/policy-test.schema.json is generated from it. */
export const documentShape: Shape = {
  kind: 'fields',
  about: 'Which connections must be allowed, and which denied. "postern test" checks them.',
  required: ['apiVersion', 'kind', 'metadata', 'tests'],
  fields: {
    apiVersion: { kind: 'text', about: 'The version of this format.', oneOf: [testApiVersion] },
    kind: { kind: 'text', about: 'The kind of this document.', oneOf: [testKind] },
    metadata: {
      kind: 'fields',
      about: 'As of other objects.',
      required: ['name'],
      fields: {
        name: word('The name in reports.'),
        labels: { kind: 'map', about: 'Not used.', of: word('A value.') },
        annotations: { kind: 'map', about: 'Not used.', of: word('A value.') },
      },
    },
    tests: {
      kind: 'list',
      about: 'The expectations.',
      least: 1,
      most: mostTests,
      of: {
        kind: 'fields',
        about:
          'One expectation. It must hold for each pair of the selected ends, in each address family that both have.',
        required: ['from', 'to', 'port', 'expect'],
        fields: {
          name: word('The name in reports (default: what is expected).'),
          reason: word('Why it must be so, for example a ticket.'),
          from: end('The source of the connection:'),
          to: end('The destination, behind any Service:'),
          port: {
            kind: 'either',
            about: 'The port of the destination: TCP/80, UDP/53, SCTP/7, 80 (TCP), the name of a port, or icmp',
            of: [
              word('TCP/80, UDP/53, SCTP/7, http, or icmp.'),
              { kind: 'number', about: 'A TCP port.', least: 1, most: 65_535 },
            ],
          },
          expect: { kind: 'text', about: 'What the policies must say.', oneOf: ['allowed', 'denied'] },
          family: { kind: 'text', about: 'Only this address family.', oneOf: ['ipv4', 'ipv6'] },
        },
      },
    },
  },
};

/** A LabelSelector as written. */
export type RawSelector = Readonly<Record<string, unknown>>;

/** An end as written. */
export type EndSpec =
  | string
  | {
      readonly namespace?: string;
      readonly namespaceSelector?: RawSelector;
      readonly podSelector?: RawSelector;
      readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
    };

/** One expectation as written; `documentShape` has its fields. */
export interface RawTest {
  readonly name?: string;
  readonly reason?: string;
  readonly from: EndSpec;
  readonly to: EndSpec;
  readonly port: string | number;
  readonly expect: Verdict;
  readonly family?: Family;
}

export interface PolicyTest extends RawTest {
  /** The file, and the name of the document. */
  readonly file: string;
  readonly suite: string;
  /** `tests[2]` */
  readonly path: string;
}
