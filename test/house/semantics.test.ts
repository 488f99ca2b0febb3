import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'mocha';

const root = resolve(import.meta.dirname, '../..');
const specification = 'docs/semantics.md';
const kernelPage = 'docs/kernel.md';
const self = 'test/house/semantics.test.ts';

/** Rules that no test can show, and why. */
const untested: Readonly<Record<string, string>> = {
  'S5.16': 'is withdrawn',
  'S6.3': 'is about an address that nothing rewrites: it is like any other outside the cluster (S3.7)',
  'S6.T4': 'is S6.T2 without a masquerade, which comes after the check in both',
  'S6.T5': 'is the way of S6.T2 and S6.T3 to a Service',
  'S6.T6': 'is about a machine outside the cluster, whose address is the one on the packet (S6.T7)',
  'S6.10': 'is DNAT like that of a node port (S6.T2); no test has the portmap plugin',
  'S11.1': 'is about tests, and names rules that have their own',
  'S12.1': 'gives a reason',
};

type Kind = 'rule' | 'fact';

/** `S3.4`, `S2.T1`, `S4.6 to S4.12`, `S2.T2–4`; facts likewise. */
const citation: Readonly<Record<Kind, RegExp>> = {
  rule: /\b(S\d{1,2}\.T?)(\d{1,2})(?:(?: to |–|-)(?:S\d{1,2}\.)?T?(\d{1,2}))?\b/g,
  fact: /\b(K)(\d{1,2})(?:(?: to |–|-)K(\d{1,2}))?\b/g,
};

const paths = globSync(
  ['{src,test,e2e,bench,scripts,docs,examples,charts,deploy}/**/*.{ts,md,py,sh,yaml,yml}', '*.md'],
  { cwd: root },
).filter((path) => path !== self);
const texts = new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));

/** What the texts cite, each with the files that do. */
function citedIn(kind: Kind, isAsked: (path: string) => boolean): Map<string, string[]> {
  const cited = new Map<string, string[]>();
  for (const [path, text] of texts) {
    if (!isAsked(path)) continue;
    for (const [, prefix, first, last = first] of text.matchAll(citation[kind])) {
      for (let number = Number(first); number <= Number(last); number++) {
        const id = `${prefix}${number}`;
        cited.set(id, [...(cited.get(id) ?? []), path]);
      }
    }
  }
  return cited;
}

/** The rules or facts of a page: each stands behind an anchor of its name. */
function definedIn(page: string): string[] {
  const anchors = texts.get(page)!.matchAll(/<a id="([^"]+)"><\/a>(?:\*\*)?([A-Z]\d+(?:\.T?\d+)?)/g);
  return Array.from(anchors, ([, anchor, id]) => {
    assert.equal(anchor, id!.toLowerCase().replace('.', '-'));
    return id!;
  });
}

const isTest = (path: string): boolean => /^(?:test|e2e)\//.test(path);

for (const [kind, page] of [
  ['rule', specification],
  ['fact', kernelPage],
] as const) {
  describe(page, () => {
    const defined = definedIn(page);

    it(`has each ${kind} once`, () => {
      assert.ok(defined.length > 30);
      assert.deepEqual(
        defined.filter((id, index) => defined.indexOf(id) !== index),
        [],
      );
    });

    it(`has each ${kind} that is cited`, () => {
      const known = new Set(defined);
      const cited = citedIn(kind, () => true);
      assert.deepEqual(
        [...cited].filter(([id]) => !known.has(id)),
        [],
      );
    });
  });
}

describe('the rules of docs/semantics.md', () => {
  const defined = definedIn(specification);
  const cited = citedIn('rule', isTest);

  it('are each cited by a test', () => {
    assert.deepEqual(
      defined.filter((id) => !cited.has(id) && !Object.hasOwn(untested, id)),
      [],
    );
  });

  it('are listed here as untested only where they exist and no test cites them', () => {
    assert.deepEqual(
      Object.keys(untested).filter((id) => cited.has(id) || !defined.includes(id)),
      [],
    );
  });
});

describe('the facts of docs/kernel.md', () => {
  it('are each used by code, tests or another page', () => {
    const cited = citedIn('fact', (path) => path !== kernelPage);
    assert.deepEqual(
      definedIn(kernelPage).filter((id) => !cited.has(id)),
      [],
    );
  });

  it('name tests that exist', () => {
    const named = Array.from(texts.get(kernelPage)!.matchAll(/`((?:test|e2e)\/[^`]+\.ts)`/g), ([, path]) => path!);
    assert.deepEqual(
      named.filter((path) => !texts.has(path)),
      [],
    );
  });
});
