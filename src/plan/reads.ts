import type { Chain, ElementVerdict, NftRule, Table, VerdictMap } from '../nftables/ruleset.ts';

/** The sets and maps that a rule looks things up in. */
function readsOfRule(rule: NftRule): string[] {
  const names = rule.matches.flatMap((match) => (match.kind === 'lookup' ? [match.set] : []));
  if (rule.verdict.kind === 'record' || rule.verdict.kind === 'remember') return [...names, rule.verdict.set];
  return rule.verdict.kind === 'vmap' ? [...names, rule.verdict.map] : names;
}

const cache = new WeakMap<Chain, ReadonlySet<string>>();

/** The sets and maps that the chain itself looks things up in, without those of the chains it goes to. */
export function readsOf(chain: Chain): ReadonlySet<string> {
  let reads = cache.get(chain);
  if (!reads) cache.set(chain, (reads = new Set(chain.rules.flatMap(readsOfRule))));
  return reads;
}

/** A port map's name is a hash of its content, so it never changes and is part of the chain that looks it up. Other maps change with pods. */
export function isPartOfChain(mapName: string): boolean {
  return mapName.startsWith('ports-');
}

/** Names that the chains behind the map look up. */
export function readsOfMap(map: VerdictMap, table: Table): ReadonlySet<string> {
  const targets = new Set([...map.elements.values()].map(chainTarget));
  const chains = [...targets].map((name) => table.chains.get(name ?? ''));
  return new Set(chains.flatMap((chain) => (chain ? [...readsOf(chain), ...readsBehind(chain, table)] : [])));
}

/** A chain for packets that a class denies. Behind it, some classes have another one, for the pod's traffic to itself (`compile/class-shape.ts`). */
const deniedPrefix = 'self-';

/**
 * Names that the class for a pod's traffic to itself looks up, behind a chain of the pod's class. What the chain in between looks up is left out, as for
 * the common deny chains.
 */
function readsBehind({ name, rules }: Chain, table: Table): ReadonlySet<string> {
  const targets = rules.flatMap(({ verdict }) => chainTarget(verdict) ?? []);
  const isBetween = name.startsWith(deniedPrefix);
  const chains = targets
    .filter((each) => isBetween || each.startsWith(deniedPrefix))
    .flatMap((each) => table.chains.get(each) ?? []);
  const reads = chains.flatMap((chain) => {
    if (isCommon(chain)) return [];
    return [...(chain.name.startsWith(deniedPrefix) ? readsBehind(chain, table) : readsThrough(chain, table))];
  });
  return new Set(reads);
}

/** The chains that all classes share. */
function isCommon({ name }: Chain): boolean {
  return name.startsWith('deny-');
}

const throughCache = new WeakMap<Chain, ReadonlySet<string>>();

/** Names that the chain looks up, including its port maps and the chains behind them. */
export function readsThrough(chain: Chain, table: Table): ReadonlySet<string> {
  let reads = throughCache.get(chain);
  if (!reads) {
    const own = [...readsOf(chain)];
    const maps = own.filter(isPartOfChain).flatMap((name) => table.maps.get(name) ?? []);
    const behind = readsBehind(chain, table);
    reads = new Set([...own, ...maps.flatMap((map) => [...readsOfMap(map, table)]), ...behind]);
    throughCache.set(chain, reads);
  }
  return reads;
}

export function chainTarget(verdict: NftRule['verdict'] | ElementVerdict): string | undefined {
  return verdict.kind === 'jump' || verdict.kind === 'goto' ? verdict.chain : undefined;
}

/** Names of all objects that are reachable from the base chains. No packet can meet others. */
export function reachableNames(table: Table): Set<string> {
  const reached = new Set<string>();
  const pending = [...table.chains.values()].filter((chain) => chain.base).map((chain) => chain.name);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    const chain = table.chains.get(name);
    if (chain) {
      pending.push(...readsOf(chain));
      for (const rule of chain.rules) pending.push(...[chainTarget(rule.verdict) ?? []].flat());
    }
    for (const verdict of table.maps.get(name)?.elements.values() ?? []) {
      const target = chainTarget(verdict);
      if (target !== undefined) pending.push(target);
    }
  }
  return reached;
}
