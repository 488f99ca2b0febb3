import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { chooseSource, type Situation } from '../../src/state/choose-source.ts';

const booted: Situation = {
  inSync: false,
  hasSaved: true,
  tableFound: false,
  isUnsaved: false,
  sandboxesRecorded: true,
  hasWaited: false,
};

describe('chooseSource', () => {
  for (const [what, situation, source] of [
    ['the saved state at once, where the kernel has no table', {}, 'saved'],
    ['also where no sandbox is of a saved pod: then all are denied', { sandboxesRecorded: false }, 'saved'],
    ['nothing new without a saved state', { hasSaved: false, hasWaited: true }, 'kernel'],
    ['the table that is there, for a while', { tableFound: true }, 'kernel'],
    ['the saved state after a while', { tableFound: true, hasWaited: true }, 'saved'],
    ['a table that is newer than the saved state', { tableFound: true, isUnsaved: true, hasWaited: true }, 'kernel'],
    ['the saved state if only the mark is left', { isUnsaved: true }, 'saved'],
    [
      'the table for as long as it takes, where nobody tells who runs here',
      { tableFound: true, sandboxesRecorded: false, hasWaited: true },
      'kernel',
    ],
    ['the cluster, once it is known', { inSync: true }, 'cluster'],
    ['the cluster also over a table', { inSync: true, tableFound: true, hasSaved: false }, 'cluster'],
  ] as const) {
    it(what, () => assert.equal(chooseSource({ ...booted, ...situation }), source));
  }
});
