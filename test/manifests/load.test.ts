import { deepEqual, rejects } from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { loadManifests } from '../../src/manifests/load.ts';
import { formatProblem } from '../../src/manifests/problem.ts';

const pod = (name: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n`;

/** The names of the objects in a text, and its problems. */
async function loadText(text: string): Promise<{ names: unknown[]; problems: string[] }> {
  const { objects, problems } = await loadManifests(['-'], Readable.from([text]));
  return {
    names: objects.map(({ metadata }) => (metadata as { name: unknown }).name),
    problems: problems.map(formatProblem),
  };
}

describe('loadManifests: documents', () => {
  const rows: readonly (readonly [
    says: string,
    text: string,
    names: readonly string[],
    problems?: readonly string[],
  ])[] = [
    ['nothing', '', [], ['standard input: contains no manifests']],
    ['only comments and markers', '# nothing\n---\n---\n...\n', [], ['standard input: contains no manifests']],
    ['one document', pod('a'), ['a']],
    [
      'several, with markers, comments and ends',
      `---\n${pod('a')}---   # next\n# of them\n${pod('b')}...\n%YAML 1.2\n---\n${pod('c')}`,
      ['a', 'b', 'c'],
    ],
    ['an object on the marker line', '--- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n', ['a']],
    [
      'Windows line ends and a byte order mark',
      `\uFEFF${pod('a')}---\n${pod('b')}`.replaceAll('\n', '\r\n'),
      ['a', 'b'],
    ],
    [
      'JSON, indented with tabs',
      JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }, undefined, '\t'),
      ['a'],
    ],
    [
      'a marker inside a block scalar is text where it is indented',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    ---\n    y\n',
      ['a'],
    ],
    ['anchors', 'apiVersion: v1\nkind: Pod\nmetadata: &m {name: a}\nspec: {m: *m}\n', ['a']],
    [
      'a List',
      `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]}\n`,
      ['a', 'b'],
    ],
    [
      'a typed list, whose entries have no kind',
      'apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}]\n',
      ['a'],
    ],
    [
      'a broken document among others',
      `${pod('a')}---\nx: y: z\n---\n${pod('b')}`,
      ['a', 'b'],
      ['standard input: document 2, line 5: bad indentation of a mapping entry'],
    ],
    ['a key twice', `${pod('a')}kind: Pod\n`, [], ['standard input: document 1, line 4: duplicated mapping key']],
    [
      'no object',
      '7\n',
      [],
      ['standard input: document 1, line 1: expected an object with apiVersion, kind and metadata'],
    ],
    ['no kind', '\n\napiVersion: v1\nmetadata: {name: a}\n', [], ['standard input: document 1, line 3: kind: missing']],
    [
      'no apiVersion',
      'kind: Pod\nmetadata: {name: a}\n',
      [],
      ['standard input: document 1, line 1: apiVersion: missing'],
    ],
    ['no name', 'apiVersion: v1\nkind: Pod\n', [], ['standard input: document 1, line 1: metadata.name: missing']],
    [
      'an entry of a list',
      'apiVersion: v1\nkind: PodList\nitems: [{metadata: {}}, 7]\n',
      [],
      [
        'standard input: document 1, line 1: items[0].metadata.name: missing',
        'standard input: document 1, line 1: items[1]: expected an object with apiVersion, kind and metadata',
      ],
    ],
  ];
  for (const [says, text, names, problems = []] of rows) {
    it(says, async () => deepEqual(await loadText(text), { names, problems }));
  }

  it('keeps every field and value as written, known or not', async () => {
    const { objects } = await loadManifests(
      ['-'],
      Readable.from([
        'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, creationTimestamp: 2026-01-01T00:00:00Z}\nspec:\n  ingress: [{from: [{podSelector: {}, newer: {x: [1, null, "2"]}}]}]\n',
      ]),
    );
    deepEqual(objects, [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
        spec: { ingress: [{ from: [{ podSelector: {}, newer: { x: [1, null, '2'] } }] }] },
      },
    ]);
  });
});

describe('loadManifests: paths', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-manifests-'));
    await mkdir(join(folder, 'b'));
    await writeFile(join(folder, 'c.yml'), pod('c'));
    await writeFile(join(folder, 'b', 'b.json'), '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}');
    await writeFile(join(folder, 'a.yaml'), pod('a'));
    await writeFile(join(folder, 'notes.txt'), 'no manifest');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const names = async (...paths: string[]): Promise<unknown[]> =>
    (await loadManifests(paths)).objects.map(({ metadata }) => (metadata as { name: unknown }).name);

  it('reads a folder and its subfolders, sorted', async () => deepEqual(await names(folder), ['a', 'b', 'c']));
  it('reads files in the order given', async () =>
    deepEqual(await names(join(folder, 'c.yml'), join(folder, 'a.yaml')), ['c', 'a']));
  it('names the file of a problem', async () => {
    await writeFile(join(folder, 'b', 'bad.yaml'), 'kind: Pod\n');
    const { problems } = await loadManifests([folder]);
    deepEqual(problems.map(formatProblem), [`${folder}/b/bad.yaml: document 1, line 1: apiVersion: missing`]);
  });
  it('rejects a missing path, and a folder without manifests', async () => {
    const unreadable = { name: 'ManifestError', code: 'unreadable' };
    await rejects(loadManifests([join(folder, 'none')]), {
      ...unreadable,
      message: `${folder}/none: no such file or folder`,
    });
    await rm(join(folder, 'b', 'b.json'));
    await rejects(loadManifests([join(folder, 'b')]), unreadable);
  });
});
