import type { Figure } from '../figure.ts';
import { pairs } from '../measure.ts';
import type { Shape } from '../cluster/shapes.ts';
import { crowdObjects, newPolicy } from './crowd.ts';
import { inForceAt } from './in-force.ts';
import type { Change, NodeUnderTest } from './node-under-test.ts';
import { sandboxOf } from './sandboxes.ts';

/** B4: a policy that selects a hundred pods of this node, compared with one script of the same operations. */
export async function measureNewPolicy(
  node: NodeUnderTest,
  shape: Shape,
  rounds: number,
  progress: (message: string) => void,
): Promise<Figure[]> {
  for (const object of crowdObjects(shape)) {
    await node.tell({ type: 'ADDED', object });
    const sandbox = sandboxOf(object, shape.nodeName);
    if (sandbox) await node.tell({ fact: { op: 'sandbox', id: sandbox.id, value: sandbox } });
  }
  await node.change({ type: 'MODIFIED', object: newPolicy });
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = -1; round < rounds; round++) {
    progress(`a new policy: ${Math.max(0, round)} of ${rounds}`);
    const undone = await node.change({ type: 'DELETED', object: newPolicy });
    const made = await node.change({ type: 'ADDED', object: newPolicy });
    await node.change({ type: 'DELETED', object: newPolicy });
    const baseline = await node.run(scriptOf(made.changes, 'make', 'switch'));
    // The baseline deletes nothing: the replaced objects still exist, so the reversal needs no make stage.
    for (const name of ['switch', 'break', 'delete']) {
      const script = scriptOf(undone.changes, name);
      if (script !== '') await node.run(script);
    }
    await node.change({ type: 'ADDED', object: newPolicy });
    // The first round is a warm-up.
    if (round < 0) continue;
    ours.push(inForceAt(made.changes, 'addition') - made.seen);
    bare.push(baseline);
  }
  node.assertQuiet();
  const what = 'a new policy on 100 local pods';
  return [{ id: 'B4', what, unit: 'ratio', sides: 'ms', bar: { atMost: 3 }, runs: pairs(ours, bare) }];
}

function scriptOf(changes: readonly Change[], ...names: readonly string[]): string {
  const stages = changes.flatMap((change) => change.stages).filter(({ name }) => names.includes(name));
  return stages.map(({ script }) => script).join('');
}
