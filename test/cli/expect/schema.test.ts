import { deepEqual } from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'mocha';
import { documentShape } from '../../../src/cli/expect/format.ts';
import { toJsonSchema } from '../../../src/cli/expect/shape.ts';

const file = new URL('../../../docs/reference/policy-test.schema.json', import.meta.url);

describe('the JSON schema of expectations', () => {
  it('is what files are checked against: UPDATE_DOCS=1 writes it', async () => {
    const schema = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: 'PolicyTest',
      ...toJsonSchema(documentShape),
    };
    if (process.env['UPDATE_DOCS'] === '1') await writeFile(file, `${JSON.stringify(schema, undefined, 2)}\n`);
    deepEqual(JSON.parse(await readFile(file, 'utf8')), schema);
  });
});
