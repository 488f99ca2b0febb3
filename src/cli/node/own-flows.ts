import { readFile } from 'node:fs/promises';
import { exec } from '../../apply/exec.ts';
import { readOwnAddresses } from '../../apply/own-addresses.ts';
import { readConntrack } from '../../impact/conntrack.ts';
import type { Tracked } from '../../impact/conntrack.ts';
import type { NodeFlows } from '../../impact/seen-flow.ts';

/** What `postern node flows -o json` prints. */
export interface OwnFlows extends NodeFlows, Tracked {
  readonly node: string;
  /** The file or command. */
  readonly source: string;
}

const conntrackFile = '/proc/net/nf_conntrack';

/** Rejects with a FlowsError if the node has neither /proc/net/nf_conntrack nor conntrack, or refuses access. */
export async function readOwnFlows(node: string, file = conntrackFile): Promise<OwnFlows> {
  const { text, source } = await readTable(file);
  return {
    node,
    source,
    addresses: [...readOwnAddresses()],
    ...readConntrack(text),
  };
}

async function readTable(file: string): Promise<{ text: string; source: string }> {
  try {
    return { text: await readFile(file, 'utf8'), source: file };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new FlowsError(`${file}: ${message}; it needs root`, { cause });
  }
  const { signal } = new AbortController();
  let text = '';
  for (const family of ['ipv4', 'ipv6']) {
    const listed = await exec('conntrack', ['-L', '-f', family, '-o', 'extended'], { signal });
    if (listed.exitCode === undefined) {
      throw new FlowsError(
        `cannot read flows: the kernel has no ${file} (CONFIG_NF_CONNTRACK_PROCFS), and the program "conntrack" is missing (Debian package conntrack)`,
      );
    }
    if (listed.exitCode !== 0) throw new FlowsError(`conntrack -L -f ${family}: ${listed.stderr.trim()}`);
    text += `${listed.stdout}\n`;
  }
  return { text, source: 'conntrack -L' };
}

class FlowsError extends Error {
  override readonly name = 'FlowsError';
  readonly code = 'flows';
}
