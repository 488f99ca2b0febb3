import { tableName } from '../nftables/ruleset.ts';
import type { Exec } from './exec.ts';

/**
 * What prevents this node from enforcing policies, as text for an operator: what is wrong, then what to do. `undefined` if nothing does.
 */
export type Problem = string | undefined;

/** 1.0.6 lacks syntax that we use. Between it and 1.1.3, with which the tests run, nft itself is asked. */
const oldestNft: readonly number[] = [1, 0, 7];
const testedNft = '1.1.3';

export async function checkNftVersion(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const { exitCode, stdout, stderr } = await exec('nft', ['--version'], { signal });
  if (exitCode === undefined) return `nft cannot be run: install nftables ${testedNft} or later (${stderr})`;
  const version = /v([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/.exec(stdout);
  if (!version) return `nft printed no version: ${JSON.stringify(stdout.slice(0, 80))}`;
  const parts = version.slice(1).map((part) => Number(part ?? 0));
  const difference = parts.map((part, index) => part - oldestNft[index]!).find((each) => each !== 0) ?? 0;
  if (difference >= 0) return checkTupleLookups(exec, signal);
  return `nft ${parts.join('.')} is too old: install nftables ${testedNft} or later`;
}

/**
 * Checks whether nft takes a port of a connection as part of a key (K40). The table does not exist, so the kernel refuses a rule that nft takes, and
 * does not switch on connection tracking for it.
 */
async function checkTupleLookups(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const key = 'ct original ip saddr . ct protocol . ct reply proto-src';
  const rule = `add rule ip ${tableName}-probe probe ${key} { 192.0.2.1 . tcp . 1 } drop`;
  const { stderr } = await exec('nft', ['--check', rule], { signal });
  if (!/variable sized|datatype mismatch|syntax error/.test(stderr)) return undefined;
  return `this nft does not support \`ct reply proto-src\` in a key, so it takes no rules: install nftables ${testedNft} or later`;
}

/** If nft can list tables, the kernel has nf_tables and this process may use it. The second question is what the rules need of it. */
export async function checkNfTables(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const { exitCode, stderr } = await exec('nft', ['list', 'tables'], { signal });
  if (exitCode === 0) return checkCatchAll(exec, signal);
  if (stderr.includes('Operation not permitted')) return 'nf_tables: not permitted: run as root, or with CAP_NET_ADMIN';
  return `nf_tables cannot be used: load the kernel module nf_tables (nft: ${stderr.trim().split('\n')[0]})`;
}

/** The name of a table for `nft --check`, which never creates it. It must differ from our table's name: that table must not become dormant. */
const probe = `bridge ${tableName}-probe`;

/** Maps from addresses to rules have a catch-all element (K25), which Linux 5.13 introduced. An older kernel refuses each transaction with one. */
async function checkCatchAll(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const table = `ip ${tableName}-probe`;
  const map = `add map ${table} addresses { type ipv4_addr : verdict; }`;
  const script = `add table ${table} { flags dormant; }; ${map}; add element ${table} addresses { * : drop }`;
  const { exitCode, stderr } = await exec('nft', ['--check', script], { signal });
  if (exitCode === 0) return undefined;
  return `this kernel refuses a catch-all element, so it takes no rules: use Linux 5.13 or newer (nft: ${stderr.trim().split('\n')[0]})`;
}

/**
 * Checks whether nft can match the target of a neighbour advertisement (K35). An nft that cannot refuses the anti-spoofing rules for bridges, and
 * every other command of the same transaction.
 */
export async function checkNeighbourTargets(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const rule = `add rule bridge ${tableName} probe icmpv6 type 136 icmpv6 taddr fe80::/10 drop`;
  const script = `add table bridge ${tableName}; add chain bridge ${tableName} probe; ${rule}`;
  const { stderr } = await exec('nft', ['--check', script], { signal });
  if (!stderr.includes('syntax error')) return undefined;
  return 'this nft does not support `icmpv6 taddr`, so a pod on a bridge can answer for the IPv6 address of another pod, which then loses packets; install nft 1.1.3 or newer';
}

/**
 * Checks whether the kernel supports tables of the bridge family, which is a build option. A kernel without it would refuse the whole transaction.
 * Other checks report other errors. The table is dormant, so its chain is not registered at a hook. Otherwise the kernel would unregister the
 * chain after the check, and that drops all packets in the nfqueues of other programs (nf_queue_nf_hook_drop; K16).
 */
export async function checkBridgeTables(exec: Exec, signal: AbortSignal): Promise<Problem> {
  const chain = `add chain ${probe} prerouting { type filter hook prerouting priority -300; }`;
  const { stderr } = await exec('nft', ['--check', `add table ${probe} { flags dormant; }; ${chain}`], { signal });
  if (!stderr.includes('not supported')) return undefined;
  return 'this kernel has no nftables for bridges (CONFIG_NF_TABLES_BRIDGE), so pods on a bridge can send from addresses of other pods';
}
