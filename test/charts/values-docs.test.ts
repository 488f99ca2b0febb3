import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { expectDocTable } from '../support/doc-table.ts';
import { chart, readChartFile } from './chart.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

const schema = readChartFile('values.schema.json') as Schema;
const defaults = readChartFile('values.yaml') as Readonly<Record<string, unknown>>;
const comments = readComments(readFileSync(`${chart}/values.yaml`, 'utf8'));

describe('the values of the chart', () => {
  it('are listed in the docs, by the comments of values.yaml', async () => {
    const rows = leaves('', schema, defaults).map(({ path, node, value }) => [
      `\`${path}\``,
      value === '' ? '' : `\`${JSON.stringify(value).replaceAll(/^"|"$/g, '')}\``,
      describeAllowed(resolve(node)),
      comments.get(path) ?? 'no comment',
    ]);
    await expectDocTable('docs/reference/values.md', ['Value', 'Default', 'Allowed', 'Meaning'], rows);
  });

  it('have a comment each, and no comment is without a value', () => {
    const paths = leaves('', schema, defaults).map(({ path }) => path);
    assert.deepEqual([...comments.keys()].sort(), paths.sort());
  });

  it('have defaults for all that the schema knows, and no others', () => {
    const known = (node: Schema): string[] => Object.keys(node.properties ?? {}).filter((key) => key !== 'global');
    assert.deepEqual(Object.keys(defaults).sort(), known(schema).sort());
    for (const key of known(schema)) {
      const [node, value] = [resolve(schema.properties![key]!), defaults[key]];
      if (!isTree(node, value) || key === 'resources') continue;
      assert.deepEqual(Object.keys(value).sort(), known(node).sort(), key);
    }
  });
});

interface Leaf {
  readonly path: string;
  readonly node: Schema;
  readonly value: unknown;
}

/** Down to what has no keys of its own, or no default for them; a comment on an object speaks of all of it. */
function leaves(path: string, node: Schema, value: unknown): Leaf[] {
  if (!isTree(resolve(node), value) || comments.has(path)) return [{ path, node, value }];
  return Object.entries(value).flatMap(([key, child]) => {
    const property = resolve(node).properties![key];
    assert.ok(property, `${path}.${key} is not in the schema`);
    return leaves(path === '' ? key : `${path}.${key}`, property, child);
  });
}

function isTree(node: Schema, value: unknown): value is Record<string, unknown> {
  return node.properties !== undefined && Object.keys(value as object).length > 0;
}

function resolve(node: Schema): Schema {
  return node.$ref === undefined ? node : schema.definitions![node.$ref.split('/').at(-1)!]!;
}

function describeAllowed({ enum: values, type, minimum, maximum }: Schema): string {
  if (values) return values.map((value) => `\`${value}\``).join(', ');
  const types = [type ?? []].flat().join(' or ');
  if (maximum !== undefined) return `${types}, ${minimum} to ${maximum}`;
  return minimum === undefined ? types : `${types}, at least ${minimum}`;
}

/** The comment lines right above a key, by its path. Lists hold no keys of ours, and the first line of the file speaks of the file. */
function readComments(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const path: string[] = [];
  let above: string[] = [];
  for (const line of text.split('\n').slice(1)) {
    const comment = /^ *# (.*)$/.exec(line);
    const key = /^( *)([\w./-]+):/.exec(line);
    if (comment) above.push(comment[1]!);
    else if (key) {
      path.splice(key[1]!.length / 2, Infinity, key[2]!);
      if (above.length > 0) found.set(path.join('.'), above.join(' '));
      above = [];
    } else above = [];
  }
  return found;
}
