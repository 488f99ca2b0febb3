import type { Chain, ElementVerdict, NftRule, Table } from '../nftables/ruleset.ts';

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

/** Chains to which a class leads packets that it has judged. All classes with the same ordered rules share them (docs/decisions/0036). */
const nextPrefixes = ['allowed-', 'else-', 'self-'];

function isNext(chainName: string): boolean {
  return nextPrefixes.some((prefix) => chainName.startsWith(prefix));
}

/** Whether a packet that reaches the chain is allowed unless the chain denies it. */
export function isOfAllowed(chainName: string): boolean {
  return chainName.startsWith('allowed-');
}

/** What packets of a class meet. */
export interface ClassReads {
  /** Names that the chain looks up, including its port maps and the chains behind them. */
  readonly own: ReadonlySet<string>;
  /** The chains that it leads to. */
  readonly next: ReadonlySet<string>;
}

const classReads = new WeakMap<Chain, ClassReads>();

export function readsOfClass(chain: Chain, table: Table): ClassReads {
  let reads = classReads.get(chain);
  if (!reads) classReads.set(chain, (reads = findReads(chain, table)));
  return reads;
}

function findReads(start: Chain, table: Table): ClassReads {
  const [own, next, seen] = [new Set<string>(), new Set<string>(), new Set([start])];
  const visit = (target: string | undefined): void => {
    if (target === undefined) return;
    const chain = isNext(target) ? undefined : table.chains.get(target);
    if (chain) seen.add(chain);
    else next.add(target);
  };
  for (const chain of seen) {
    for (const name of readsWithEditions(chain)) {
      own.add(name);
      if (!isPartOfChain(name)) continue;
      for (const verdict of table.maps.get(name)?.elements.values() ?? []) visit(chainTarget(verdict));
    }
    for (const target of nextOf(chain)) next.add(target);
  }
  return { own, next };
}

/** Names that the chain looks up and that may be in a second edition. The sets of `self-` chains and of the common deny chains never are. */
export function readsWithEditions(chain: Chain): ReadonlySet<string> {
  return chain.name.startsWith('self-') ? nothing : readsOf(chain);
}

const nothing: ReadonlySet<string> = new Set();

/** The chains to which the rules of the chain lead packets that it has judged. */
export function nextOf({ rules }: Chain): string[] {
  return rules.flatMap(({ verdict }) => {
    const target = chainTarget(verdict);
    return target !== undefined && isNext(target) ? [target] : [];
  });
}

/**
 * Names that the chains and all chains that they lead to look up. Each chain is visited once: hundreds of classes may share thousands of chains behind
 * them.
 */
export function readsThrough(chains: Iterable<Chain>, table: Table): Set<string> {
  const names = new Set<string>();
  const seen = new Set(chains);
  for (const chain of seen) {
    const { own, next } = readsOfClass(chain, table);
    for (const name of own) names.add(name);
    for (const name of next) {
      const behind = table.chains.get(name);
      if (behind) seen.add(behind);
    }
  }
  return names;
}

export function chainTarget(verdict: NftRule['verdict'] | ElementVerdict): string | undefined {
  return verdict.kind === 'jump' || verdict.kind === 'goto' ? verdict.chain : undefined;
}

export function sameVerdict(a: ElementVerdict, b: ElementVerdict): boolean {
  return a.kind === b.kind && chainTarget(a) === chainTarget(b);
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
