import { deepEqual, equal } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { askNodes } from '../../../src/cli/connect/agents.ts';
import { agentPod } from '../../support/agent-pod.ts';
import { startExecServer } from '../../support/exec-server.ts';
import { node } from '../../support/objects.ts';

describe('a question to the agents of all nodes', () => {
  it('ends in the time that all answers have, however many nodes hang', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `n${index + 1}`);
    let asked = 0;
    const server = await startExecServer(() => (asked++, new Promise(() => {})), {});
    try {
      const objects = names.flatMap((name) => [node(name, '192.0.2.1'), agentPod(name)]);
      const question = { words: ['policies'], read: () => 1, nodes: names, agentNamespace: undefined, allMs: 300 };
      const { answers, failures } = await askNodes(server.config, objects, question);
      deepEqual([answers, failures.length, asked], [[], 20, 8]);
      const late = failures.filter(({ why }) => why === 'the time was over before it could be asked');
      equal(late.length, 12);
    } finally {
      await server.close();
    }
  });
});
