export const objectKinds = ['chains', 'rules', 'sets and maps', 'elements'] as const;

type Listed = Readonly<Record<string, { readonly elem?: readonly unknown[] } | undefined>>;

/** What `nft --json list ruleset` lists, by kind. Each counter of a rule is part of it. */
export function countObjects(listing: string): Record<(typeof objectKinds)[number], number> {
  const { nftables } = JSON.parse(listing) as { nftables: readonly Listed[] };
  const sets = nftables.flatMap(({ set, map }) => set ?? map ?? []);
  return {
    chains: nftables.filter(({ chain }) => chain).length,
    rules: nftables.filter(({ rule }) => rule).length,
    'sets and maps': sets.length,
    elements: sets.reduce((sum, { elem = [] }) => sum + elem.length, 0),
  };
}
