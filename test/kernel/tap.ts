import type { Lab } from '../../src/lab/lab.ts';

const table = 'postern_test_tap';

/** Counts what arrives in the network namespace of a station, before anything there can drop it. */
export class Tap {
  readonly #lab: Lab;
  readonly #key: string;

  private constructor(lab: Lab, key: string) {
    this.#lab = lab;
    this.#key = key;
  }

  /** `matches`: in the language of nft, by name. */
  static async open(lab: Lab, key: string, matches: Readonly<Record<string, string>>): Promise<Tap> {
    const lines = Object.entries(matches).map(([name, match]) => `${match} counter comment "${name}"`);
    const chain = ['type filter hook prerouting priority raw - 10;', ...lines].join('\n');
    await lab.exec(key, 'nft', `table inet ${table} {\nchain tap {\n${chain}\n}\n}`);
    return new Tap(lab, key);
  }

  /** Packets so far. */
  async counts(): Promise<Record<string, number>> {
    const listing = await this.#lab.exec(this.#key, 'nft', '-j', 'list', 'table', 'inet', table);
    const { nftables } = JSON.parse(listing) as { nftables: { rule?: TapRule }[] };
    const rules = nftables.flatMap(({ rule }) => rule ?? []);
    return Object.fromEntries(
      rules.map(({ comment, expr }) => [comment, expr.find((each) => each.counter)!.counter!.packets]),
    );
  }

  async close(): Promise<void> {
    await this.#lab.exec(this.#key, 'nft', 'delete', 'table', 'inet', table);
  }
}

interface TapRule {
  readonly comment: string;
  readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
}
