import { baseline } from './rule-sets.ts';
import type { Scene } from './scene.ts';

/** Rules as nft takes them, in tables that are theirs alone. */
export interface RuleSet {
  /** A word of letters, digits and dashes. */
  readonly name: string;
  readonly script: string;
}

/**
 * Rule sets side by side in one node, of which at most one is in force: the tables of the others are dormant, which takes their hooks away.
 * So all are measured over the very same path, and none has to be loaded anew.
 */
export class Tables {
  readonly #scene: Scene;
  /** Of each rule set, as `ip postern-x`. */
  readonly #tables: ReadonlyMap<string, readonly string[]>;
  #current: string | undefined;

  private constructor(scene: Scene, tables: ReadonlyMap<string, readonly string[]>) {
    this.#scene = scene;
    this.#tables = tables;
  }

  /** Replaces all rules of the node. None of the sets is in force yet, connection tracking is. */
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

  /** Puts one in force, or none. */
  async choose(name: string | undefined): Promise<void> {
    if (name === this.#current) return;
    const [old, chosen] = [this.#current, name].map((each) => (each === undefined ? [] : this.#tables.get(each)!));
    await this.#scene.nft(sleep(old!) + chosen!.map((table) => `add table ${table}\n`).join(''));
    this.#current = name;
  }
}

/** Where a line of a script names a table. */
const tableName = /^((?:add )?table (?:ip6?|bridge) postern)(?= |$)/gm;

function sleep(tables: readonly string[]): string {
  return tables.map((table) => `add table ${table} { flags dormant; }\n`).join('');
}
