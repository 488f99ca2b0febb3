import { tableName } from '../nftables/ruleset.ts';
import type { Exec } from './exec.ts';

/**
 * What would keep this node from enforcing, as text for the person who can change it: what is wrong, then what to do.
 * `undefined`: nothing.
 */
export type Problem = string | undefined;

/** Older ones lack what we write; 1.1.3 is what we test with. */
const oldestNft: readonly number[] = [1, 0, 1];

export async function checkNftVersion(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const { exitCode, stdout, stderr } = await exec('nft', ['--version'], { signal });
  if (exitCode === undefined) return `nft cannot be run: install nftables ${oldestNft.join('.')} or later (${stderr})`;
  const version = /v([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/.exec(stdout);
  if (!version) return `nft does not tell its version: ${JSON.stringify(stdout.slice(0, 80))}`;
  const parts = version.slice(1).map((part) => Number(part ?? 0));
  const difference = parts.map((part, index) => part - oldestNft[index]!).find((each) => each !== 0) ?? 0;
  if (difference >= 0) return undefined;
  return `nft ${parts.join('.')} is too old: install nftables ${oldestNft.join('.')} or later`;
}

/** Rules can be read, so the kernel has nf_tables and we may use it. */
export async function checkNfTables(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const { exitCode, stderr } = await exec('nft', ['list', 'tables'], { signal });
  if (exitCode === 0) return undefined;
  if (stderr.includes('Operation not permitted')) return 'nf_tables: not permitted: run as root, or with CAP_NET_ADMIN';
  return `nf_tables cannot be used: load the kernel module nf_tables (nft: ${stderr.trim().split('\n')[0]})`;
}

/** Of a table that is never made. It is no table of ours: what is in that stays awake. */
const probe = `bridge ${tableName}-probe`;

/**
 * nft knows what a neighbour advertisement is about (K35). One that does not refuses the rules that hold pods on a bridge to their own, and all
 * that is written together with them.
 */
export async function checkNeighbourTargets(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const rule = `add rule bridge ${tableName} probe icmpv6 type 136 icmpv6 taddr fe80::/10 drop`;
  const script = `add table bridge ${tableName}; add chain bridge ${tableName} probe; ${rule}`;
  const { stderr } = await exec('nft', ['--check', script], { signal });
  if (!stderr.includes('syntax error')) return undefined;
  return 'this nft does not know `icmpv6 taddr`, so a pod on a bridge can answer for the IPv6 address of another, which then loses packets; install nft 1.1.3 or newer';
}

/**
 * The kernel takes tables of bridges, which is an option of its build. One that does not would refuse all that is written together with
 * such a table. What else may be wrong is for the other checks to say. The table of the question sleeps, so that its chain is tied to no
 * hook: to untie one, as the kernel does after a check, empties the queues of all other programs (nf_queue_nf_hook_drop; K16).
 */
export async function checkBridgeTables(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const chain = `add chain ${probe} prerouting { type filter hook prerouting priority -300; }`;
  const { stderr } = await exec('nft', ['--check', `add table ${probe} { flags dormant; }; ${chain}`], { signal });
  if (!stderr.includes('not supported')) return undefined;
  return 'this kernel has no nftables for bridges (CONFIG_NF_TABLES_BRIDGE), so nothing keeps pods on a bridge to their own addresses';
}
