import assert from 'node:assert/strict';
import { Command } from 'commander';
import { describe, it } from 'mocha';
import { addCommands } from '../../src/cli/command-entry.ts';

describe('the commands of a command', () => {
  const loadedBy = async (...words: string[]) => {
    const loaded: [string, readonly string[]][] = [];
    const entries = ['node', 'agent'].map((name) => ({
      name,
      summary: `about ${name}`,
      load: async (rest: readonly string[]) => {
        loaded.push([name, rest]);
        return new Command(name);
      },
    }));
    const { commands } = await addCommands(new Command('postern'), entries, words);
    return { loaded, listed: commands.map((each) => `${each.name()}: ${each.summary()}`) };
  };

  it('are listed, and only the one that the words name is loaded, with the words after it', async () => {
    const cases: [string[], [string, readonly string[]][]][] = [
      [['node', 'history', 'x'], [['node', ['history', 'x']]]],
      [['help', 'node', 'history'], [['node', ['history']]]],
      [['nod'], []],
      [['help'], []],
      [[], []],
    ];
    for (const [words, expected] of cases) {
      const { loaded, listed } = await loadedBy(...words);
      assert.deepEqual(loaded, expected, words.join(' '));
      assert.deepEqual(listed, ['node: about node', 'agent: about agent']);
    }
  });
});
