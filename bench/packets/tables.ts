import { baseline } from './rule-sets.ts';
import type { Scene } from './scene.ts';

/** An nft script with its own tables. */
export interface RuleSet {
  /** Letters, digits and dashes. */
  readonly name: string;
  readonly script: string;
}

/**
 * Several rule sets on one node, of which those that are chosen are active. The tables of the others are dormant, which unregisters their hooks. So all
 * use the same path, and none must be reloaded.
 */
export class Tables {
  readonly #scene: Scene;
  /** Tables of each rule set, for example `ip postern-x`. */
  readonly #tables: ReadonlyMap<string, readonly string[]>;
  #current: ReadonlySet<string> = new Set();

  private constructor(scene: Scene, tables: ReadonlyMap<string, readonly string[]>) {
    this.#scene = scene;
    this.#tables = tables;
  }

  /** Replaces all rules of the node. No rule set is active yet; connection tracking is. */
  static async load(scene: Scene, ruleSets: readonly RuleSet[]): Promise<Tables> {
    await scene.nft(`flush ruleset\n${baseline}`);
    const tables = new Map<string, readonly string[]>();
    for (const { name, script } of ruleSets) {
      const renamed = script.replaceAll(tableName, `$1-${name}`);
      const own = new Set(renamed.matchAll(/^(?:add )?table (\S+ \S+)/gm).map(([, table]) => table!));
      await scene.nft(renamed + sleep([...own]));
      tables.set(name, [...own]);
    }
    return new Tables(scene, tables);
  }

  /** Activates these rule sets, and no others. */
  async choose(...names: readonly string[]): Promise<void> {
    const chosen = new Set(names);
    const tablesOf = (all: ReadonlySet<string>): string[] => [...all].flatMap((name) => this.#tables.get(name)!);
    const script = sleep(tablesOf(this.#current.difference(chosen))) + wake(tablesOf(chosen.difference(this.#current)));
    if (script !== '') await this.#scene.nft(script);
    this.#current = chosen;
  }
}

/** Table names in lines of a script. */
const tableName = /^((?:add )?table (?:ip6?|bridge) postern)(?= |$)/gm;

function sleep(tables: readonly string[]): string {
  return tables.map((table) => `add table ${table} { flags dormant; }\n`).join('');
}

function wake(tables: readonly string[]): string {
  return tables.map((table) => `add table ${table}\n`).join('');
}
