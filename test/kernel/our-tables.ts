import assert from 'node:assert/strict';
import { listArguments, parseTable } from '../../src/nftables/parse.ts';
import { tableFamilies, type Ruleset, type TableFamily } from '../../src/nftables/ruleset.ts';
import { planSweep } from '../../src/plan/plan.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { eventually } from './eventually.ts';

/**
 * All tables of Postern on n1, which are those of `families`, or `undefined` if there is none. Waits until the agent has deleted the objects that are out of use: a change is in
 * force before.
 */
export async function listTables(
  lab: Lab,
  families: readonly TableFamily[] = tableFamilies,
): Promise<Ruleset | undefined> {
  let held: Ruleset | undefined;
  await eventually(async () => {
    held = await listNow(lab, families);
    return held && planSweep(held).stages.length > 0 ? 'there are objects that are out of use' : undefined;
  });
  return held;
}

async function listNow(lab: Lab, families: readonly TableFamily[]): Promise<Ruleset | undefined> {
  const there = (await lab.exec('node/n1', 'nft', 'list', 'tables')).split('\n');
  const held = tableFamilies.filter((family) => there.includes(`table ${family} postern`));
  if (held.length === 0) return undefined;
  assert.deepEqual(held, families, 'one table without the others');
  const list = async (family: TableFamily) =>
    [family, parseTable(family, await lab.exec('node/n1', 'nft', ...listArguments(family)))] as const;
  return Object.fromEntries(await Promise.all(families.map(list)));
}

/**
 * The tables as text, with the handle of each object and rule: an object that was written again has another handle. Without the elements that packets
 * add, and without the choice of flow sets, which each start and each doubt changes (S7.14, S7.16).
 */
export async function listExactly(lab: Lab, families: readonly TableFamily[] = tableFamilies): Promise<string> {
  const texts = families.map((family) =>
    lab.exec('node/n1', 'nft', '-n', '-a', '-s', 'list', 'table', family, 'postern'),
  );
  return (await Promise.all(texts)).join('').replaceAll(changing, '$1');
}

const changing = /(\tset (?:flows-second \{|\S+ \{[^}]*?\tflags dynamic)[^}]*?)\t\telements = \{[^}]*\}\n/g;
