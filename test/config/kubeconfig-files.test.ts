import { deepEqual } from 'node:assert/strict';
import { delimiter } from 'node:path';
import { describe, it } from 'mocha';
import { readKubeconfigFiles } from '../../src/config/kubeconfig-files.ts';

describe('the files of KUBECONFIG', () => {
  for (const [what, text, files] of [
    ['none', undefined, []],
    ['an empty one', '', []],
    ['one', '/a', ['/a']],
    ['several, some of them empty', ['/a', '', '/b'].join(delimiter), ['/a', '/b']],
  ] as const) {
    it(`are known of ${what}`, () =>
      deepEqual(readKubeconfigFiles(text === undefined ? {} : { KUBECONFIG: text }), files));
  }
});
